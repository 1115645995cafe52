//! The profile of Exchange 2013 and later.

use std::time::Duration;

use crate::policy::{OverlongCommand, SortOrder};
use crate::response_text::Texts;
use crate::{Access, ForeignSite, LoginType, Policy, Separators, SizeKind};

impl Policy {
    /// What Exchange 2013 does where a choice is left. The texts are the table's own defaults.
    pub fn exchange2013() -> Self {
        Self {
            separators: Separators::Lenient,
            command_octets_max: 512,
            // Seen of an initial response over the limit.
            overlong_command: OverlongCommand::Close,
            // Kerberos tickets with group lists come near it.
            continuation_octets_max: 65_536,
            access: Access::Snapshot,
            sort_order: SortOrder::Ascending,
            sizes: SizeKind::Stored,
            login_type: LoginType::SecureLogin,
            foreign_site: ForeignSite::HandOn,
            response_codes: false,
            pipelining: false,
            expire_never: false,
            implementation: None,
            pre_authenticated_timeout: Duration::from_secs(60),
            authenticated_timeout: Duration::from_secs(1_800),
            closing_notice: true,
            // How many Exchange allows is not known.
            protocol_errors_max: 10,
            auth_failures_max: 5,
            refusal_ids: false,
            texts: Texts::default(),
        }
    }
}
