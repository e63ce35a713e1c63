//! The files of node-config/ say what the program does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

use std::path::{Path, PathBuf};

use credlog_node::Config;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../node-config");
    let entries = std::fs::read_dir(folder).unwrap();
    let files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    files
}

/// A setting that is commented out: `#name = value`, without a space.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase()) => {
            format!("{setting}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn commented_settings_are_the_defaults_and_all_of_them_are_there() {
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let config = Config::parse(&text, Path::new("")).unwrap();
        let spelt_out = Config::parse(&uncommented(&text), Path::new("")).unwrap();
        assert_eq!(config, spelt_out, "{}", path.display());

        let mut default = match config.member.id.clone() {
            Some(id) => Config::of_member(id),
            None => Config::of_observer(),
        };
        default.node.genesis = config.node.genesis.clone();
        assert_eq!(
            config,
            default,
            "{}: settings that are not commented out",
            path.display()
        );

        let shown: toml::Table = toml::from_str(&uncommented(&text)).unwrap();
        let every = toml::Table::try_from(&config).unwrap();
        let keys = |table: &toml::Table| -> Vec<String> {
            let mut keys: Vec<_> = table
                .iter()
                .flat_map(|(section, table)| {
                    let names = table.as_table().unwrap().keys();
                    names.map(move |name| format!("{section}.{name}"))
                })
                .collect();
            keys.sort();
            keys
        };
        assert_eq!(keys(&shown), keys(&every), "{}", path.display());
    }
}
