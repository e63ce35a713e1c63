//! Texts that strangers wrote, for people.

/// Whether a character shows nothing itself but changes what a reader sees or takes two texts for
/// one: control characters, line and paragraph separators, and what is invisible, such as the
/// overrides of direction (Unicode: Cc, Zl, Zp, and Default_Ignorable_Code_Point but the joiners,
/// which some scripts are spelled with; Unicode Technical Report 36 section 2).
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e007f}'
                | '\u{34f}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{ffa0}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{e0100}'..='\u{e01ef}'
        )
}

#[cfg(test)]
mod tests {
    use super::is_deceptive;

    #[test]
    fn what_moves_or_hides_letters_is_deceptive_and_letters_are_not() {
        let bad =
            "\u{1b}\u{9b}\u{200b}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}\u{feff}\u{e0041}\u{2028}";
        assert!(bad.chars().all(is_deceptive));
        let good = "Ünïversität 大学 جامعة دانشگاه\u{200c}ها विश्वविद्यालय – “A” 👩\u{301}\u{a0}";
        assert!(!good.chars().any(is_deceptive));
    }
}
