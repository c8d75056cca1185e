//! A test and nothing else: what is matched here is exactly what Luau matches.

use super::library;
use crate::pace::Pace;
use mlua::{Function, Lua, Table};

/// Pieces of patterns; some make malformed patterns, which both refuse.
const PIECES: [&str; 30] = [
    "a", "b", "1", ".", "%a", "%d", "%S", "%%", "[ab]", "[^a]", "[a-c]", "[]a]", "[a-]", "[%d-]",
    "(a*)", "(b", ")", "()", "(.-)", "(%a)", "%1", "%2", "%b()", "%f[%a]", "%f[^%w]", "$", "^",
    "-", "[", "%",
];
const REPEATS: [&str; 8] = ["", "", "", "", "*", "+", "-", "?"];
const TEXT: &[u8] = b"aaabbc1(()) -]^$%";

/// Tries each function of a table on a text and a pattern, and returns all results as one text.
const TRY: &str = r##"
local from, text, pattern, init = ...
local function line(ok, ...)
    if not ok then return "refused" end
    local values = { ... }
    for n = 1, select("#", ...) do values[n] = type(values[n]) .. " " .. tostring(values[n]) end
    return table.concat(values, ", ")
end
local function all()
    local found = {}
    for one, two in from.gmatch(text, pattern) do
        table.insert(found, tostring(one) .. " " .. tostring(two))
    end
    return table.concat(found, ", ")
end
-- One match behind another, with steps back and far ahead.
local function steps()
    local found, at = {}, 1
    for nth = 1, 30 do
        local first, last, one = from.find(text, pattern, at)
        table.insert(found, tostring(first) .. " " .. tostring(last) .. " " .. tostring(one))
        if not first then break end
        at = if nth % 7 == 6 then first - 2 elseif nth % 5 == 4 then last + 4 else last + 1
        at = math.max(at, 1)
        if at > #text then break end
        table.insert(found, tostring(from.match(text, pattern, at)))
    end
    return table.concat(found, ", ")
end
local function swapped(one, two)
    return if two then two .. "/" .. one else false
end
return table.concat({
    line(pcall(from.find, text, pattern)), line(pcall(from.find, text, pattern, init)),
    line(pcall(from.match, text, pattern)), line(pcall(from.match, text, pattern, init)),
    line(pcall(all)), line(pcall(steps)), line(pcall(from.gsub, text, pattern, "<%0>")),
    line(pcall(from.gsub, text, pattern, "%2<%1", 2)),
    line(pcall(from.gsub, text, pattern, swapped)),
    line(pcall(from.find, text, pattern, init, true)),
    line(pcall(from.gsub, text, pattern, { a = "b", aa = 12, b = false })),
}, "\n")
"##;

#[test]
fn what_is_matched_here_is_what_luau_matches() {
    let lua = Lua::new();
    let engine = library(&lua, &Pace::unwatched()).expect("there is memory");
    let host = "local engine = ... \
                local function told(ok, ...) \
                    if ok then return nil, ... end \
                    return tostring((...)) \
                end \
                return { string = string, told = told, format_number = tostring, engine = engine }";
    let host: Table = lua.load(host).call(engine).expect("a table");
    let patterns: Table =
        lua.load(include_str!("../lua/patterns.luau")).call(host).expect("it loads");
    let native: Table = lua.globals().get("string").expect("it is there");
    let attempt: Function = lua.load(TRY).into_function().expect("it compiles");
    let mut random = fastrand::Rng::with_seed(3);
    // Of an `init` behind the end Luau makes nothing, Lua 5.1 the end.
    let mut matched = 0;
    for _ in 0..5000 {
        let mut pattern = String::new();
        for _ in 0..random.usize(1..6) {
            pattern += random.choice(PIECES).unwrap_or_default();
            pattern += random.choice(REPEATS).unwrap_or_default();
        }
        let length = random.usize(0..12);
        let text: String =
            (0..length).map(|_| char::from(TEXT[random.usize(..TEXT.len())])).collect();
        let init = random.i32(-14..=length as i32);
        let results = |from: &Table| -> String {
            attempt.call((from, &text[..], &pattern[..], init)).expect("errors are results, too")
        };
        let (ours, theirs) = (results(&patterns), results(&native));
        assert_eq!(ours, theirs, "{pattern:?} in {text:?} from {init}");
        matched += u32::from(theirs.starts_with("number"));
    }
    assert!(matched > 500, "{matched}");
}
