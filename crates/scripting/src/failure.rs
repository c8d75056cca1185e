//! Why a function of the host failed a script.
//!
//! The host returns the text; the prelude raises it as an error table, as scripts know errors.

use std::borrow::Cow;

/// The text of an error for a script, without a dash in front.
pub type Failure = Cow<'static, [u8]>;

/// The failure that says this text.
pub const fn failure(text: &'static [u8]) -> Failure {
    Cow::Borrowed(text)
}
