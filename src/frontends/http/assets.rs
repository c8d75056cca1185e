//! The page: what a browser loads, all of it in the binary.

/// A file: its type and its bytes.
pub struct Asset(pub &'static str, pub &'static [u8]);

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const DRAWING: &str = "image/svg+xml";

macro_rules! files {
    ($($path:literal $kind:ident $file:literal)*) => {
        static FILES: &[(&str, &str, &[u8])] =
            &[$(($path, $kind, include_bytes!(concat!("page/", $file)))),*];
    };
}

files! {
    "/" HTML "index.html"
    "/style.css" STYLE "style.css"
    "/icon.svg" DRAWING "icon.svg"
    "/app.js" SCRIPT "app.js"
    "/charts.js" SCRIPT "charts.js"
    "/clients.js" SCRIPT "clients.js"
    "/costs.js" SCRIPT "costs.js"
    "/dom.js" SCRIPT "dom.js"
    "/keys.js" SCRIPT "keys.js"
    "/latency.js" SCRIPT "latency.js"
    "/locks.js" SCRIPT "locks.js"
    "/overview.js" SCRIPT "overview.js"
    "/persistence.js" SCRIPT "persistence.js"
    "/prefixes.js" SCRIPT "prefixes.js"
    "/sample.js" SCRIPT "sample.js"
    "/server.js" SCRIPT "server.js"
    "/settings.js" SCRIPT "settings.js"
    "/slow.js" SCRIPT "slow.js"
    "/terminal.js" SCRIPT "terminal.js"
    "/values.js" SCRIPT "values.js"
}

/// The file at a path.
pub fn find(path: &str) -> Option<Asset> {
    let found = FILES.iter().find(|(known, ..)| *known == path);
    found.map(|(_, kind, bytes)| Asset(kind, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_light_and_loads_nothing_from_elsewhere() {
        assert!(FILES.iter().map(|(.., bytes)| bytes.len()).sum::<usize>() < 300_000);
        for (path, _, bytes) in FILES {
            let text = String::from_utf8_lossy(bytes).replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("://"), "{path} names another place");
            for imported in text.split("from './").skip(1) {
                let name = imported.split('\'').next().unwrap_or_default();
                assert!(find(&format!("/{name}")).is_some(), "{path} imports {name}");
            }
        }
    }
}
