//! Figures of several rounds: middle, least and most, and how they are printed.

/// The figures of a server in a row, or of a ceiling, in the order of the rounds.
#[derive(Debug, Default, Clone)]
pub struct Figures(pub Vec<f64>);

impl Figures {
    /// The middle one; of an even number the larger of the two.
    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }

    fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::MAX, f64::min)
    }

    fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::MIN, f64::max)
    }

    /// The middle one in bold, and the range.
    pub fn shown(&self) -> Option<String> {
        let middle = number(self.median()?);
        let (least, most) = (number(self.least()), number(self.most()));
        Some(format!("**{middle}** ({least} to {most})"))
    }
}

/// Three digits that count.
pub fn number(figure: f64) -> String {
    match figure {
        figure if figure >= 100.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        figure => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_as_their_middle_and_their_range() {
        let figures = Figures(vec![12.0, 100.4, 9.0]);
        assert_eq!(figures.shown().as_deref(), Some("**12.0** (9.00 to 100)"));
        assert_eq!(Figures::default().shown(), None);
    }
}
