//! Values of types that do not exist here: where they end, so that what follows can be read.
//!
//! What is passed over is not looked at any closer: whether it means something does not matter
//! here.

use super::input::Input;
use super::module;
use crate::fault::ReadError;

/// How a value is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A value of a module, which says itself where it ends: behind its name.
    Module,
    /// It is not known how.
    Unknown,
}

/// Passes over a value, if it is known how; returns whether it is.
///
/// # Errors
/// When it is damaged.
pub fn pass_over(input: &mut Input<'_>, shape: Shape) -> Result<bool, ReadError> {
    match shape {
        Shape::Module => module::pass_over_value(input)?,
        Shape::Unknown => return Ok(false),
    }
    Ok(true)
}
