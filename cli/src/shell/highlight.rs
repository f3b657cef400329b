//! Colours of a statement that is being typed.

use super::complete::is_keyword;
use super::lex::{Piece, lex};

const KEYWORD: &str = "\x1b[1;34m";
const TEXT: &str = "\x1b[32m";
const NUMBER: &str = "\x1b[36m";
const COMMENT: &str = "\x1b[2m";
const COMMAND: &str = "\x1b[1;35m";
const PLAIN: &str = "\x1b[0m";

/// The text with colours; without them it is the same text.
pub(crate) fn highlight(text: &str) -> String {
    if let Some(command) = text.strip_prefix('\\') {
        let end = command.find(char::is_whitespace).unwrap_or(command.len());
        let (name, rest) = command.split_at(end);
        return format!("{COMMAND}\\{name}{PLAIN}{rest}");
    }
    let pieces = lex(text);
    let coloured = pieces.iter().map(|lexeme| {
        let piece = lexeme.of(text);
        let colour = match lexeme.piece {
            Piece::Word if is_keyword(piece) => KEYWORD,
            Piece::Text { .. } => TEXT,
            Piece::Number => NUMBER,
            Piece::Comment => COMMENT,
            _ => return piece.to_owned(),
        };
        format!("{colour}{piece}{PLAIN}")
    });
    coloured.collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn words_of_the_language_stand_out() {
        let texts = [
            "SELECT max(a1) FROM t WHERE b = 'x' -- why",
            "select 1.5, \"select\"",
            "\\plot line",
        ];
        let shown = texts.map(|text| highlight(text).replace('\x1b', "^"));
        expect![[r#"
            ^[1;34mSELECT^[0m max(a1) ^[1;34mFROM^[0m t ^[1;34mWHERE^[0m b = ^[32m'x'^[0m ^[2m-- why^[0m
            ^[1;34mselect^[0m ^[36m1.5^[0m, "select"
            ^[1;35m\plot^[0m line"#]].assert_eq(&shown.join("\n"));
    }
}
