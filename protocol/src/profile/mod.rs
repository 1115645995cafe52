//! Profiles: named sets of defaults. What differs between them is data, here and nowhere else.

mod exchange2007;
mod exchange2010;
mod exchange2013;
mod rfc1939;

use std::fmt;
use std::str::FromStr;

use crate::Policy;
use crate::policy::PolicyError;

/// Whose manners the server has, where nothing else is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// Exchange 2013 and later.
    #[default]
    Exchange2013,
    /// Exchange 2010.
    Exchange2010,
    /// Exchange 2007.
    Exchange2007,
    /// The RFCs, to the letter.
    Rfc1939,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Exchange2013,
        Self::Exchange2010,
        Self::Exchange2007,
        Self::Rfc1939,
    ];

    /// Its name in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exchange2013 => "exchange2013",
            Self::Exchange2010 => "exchange2010",
            Self::Exchange2007 => "exchange2007",
            Self::Rfc1939 => "rfc1939",
        }
    }

    /// Its choices.
    pub fn policy(self) -> Policy {
        match self {
            Self::Exchange2013 => Policy::exchange2013(),
            Self::Exchange2010 => Policy::exchange2010(),
            Self::Exchange2007 => Policy::exchange2007(),
            Self::Rfc1939 => Policy::rfc1939(),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = PolicyError;

    fn from_str(name: &str) -> Result<Self, PolicyError> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == name)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                PolicyError::new("profile", format!("{name:?}"), names)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_acceptable_and_found_by_its_name() {
        for profile in Profile::ALL {
            profile.policy().check().unwrap();
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        let error = "exchange2003".parse::<Profile>().unwrap_err().to_string();
        assert_eq!(
            error,
            "profile is \"exchange2003\", accepted: exchange2013, exchange2010, exchange2007, \
             rfc1939"
        );
    }

    #[test]
    fn the_default_is_exchange_2013() {
        assert_eq!(Profile::default().policy(), Policy::default());
    }
}
