//! The files of node-config/ say what the program does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use credlog_node::Config;
use credlog_node::config::Role;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../node-config")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// All TOML files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn parse(text: &str) -> Config {
    Config::parse(text, Path::new("")).unwrap()
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
fn commented_settings_are_the_defaults() {
    let files = files(&folder());
    assert_eq!(files.len(), 6, "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            parse(&text),
            parse(&uncommented(&text)),
            "{}",
            path.display()
        );
    }
}

#[test]
fn the_members_file_shows_every_setting() {
    let text = text("member.toml");
    let config = parse(&text);
    let mut default = Config::of_member(config.member.id.clone().unwrap());
    default.node.genesis = config.node.genesis.clone();
    assert_eq!(config, default, "settings that are not commented out");

    let shown: toml::Table = toml::from_str(&uncommented(&text)).unwrap();
    let every = toml::Table::try_from(&config).unwrap();
    let keys = |table: &toml::Table| -> BTreeSet<String> {
        let section = |(section, table): (&String, &toml::Value)| -> Vec<String> {
            let names = table.as_table().unwrap().keys();
            names.map(|name| format!("{section}.{name}")).collect()
        };
        table.iter().flat_map(section).collect()
    };
    assert_eq!(keys(&shown), keys(&every));
}

/// The section of a webhook has no defaults to be compared with: the example is read as it stands.
#[test]
fn the_members_file_shows_every_setting_of_a_webhook() {
    let text = text("member.toml");
    let (_, section) = text.split_once("# [[webhook]]\n").unwrap();
    let settings = section.lines().filter_map(|line| line.strip_prefix("# "));
    let settings = settings.filter(|line| line.contains(" = "));
    let section = settings.collect::<Vec<_>>().join("\n");
    let config = parse(&format!("{text}\n[[webhook]]\n{section}\n"));
    let [webhook] = config.webhook.as_slice() else {
        panic!("{config:?}");
    };
    let shown: toml::Table = toml::from_str(&section).unwrap();
    let every = toml::Table::try_from(webhook).unwrap();
    let names = |table: &toml::Table| table.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&shown), names(&every));
    assert_eq!(config, parse(&toml::to_string(&config).unwrap()));
}

/// Nor has that of a witness.
#[test]
fn the_members_file_shows_every_setting_of_a_witness() {
    let text = text("member.toml");
    let (_, section) = text.split_once("# [[witness]]\n").unwrap();
    let (section, _) = section.split_once("\n\n").unwrap();
    let settings = section.lines().filter_map(|line| line.strip_prefix("# "));
    let settings = settings.filter(|line| line.contains(" = "));
    let section = settings.collect::<Vec<_>>().join("\n");
    let config = parse(&format!("{text}\n[[witness]]\n{section}\n"));
    let [witness] = config.witness.as_slice() else {
        panic!("{config:?}");
    };
    let shown: toml::Table = toml::from_str(&section).unwrap();
    let every = toml::Table::try_from(witness).unwrap();
    let names = |table: &toml::Table| table.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&shown), names(&every));
    assert_eq!(config, parse(&toml::to_string(&config).unwrap()));
}

#[test]
fn the_observers_file_differs_by_its_role_alone() {
    let config = parse(&text("observer.toml"));
    assert_eq!(config.node.role, Role::Observer);
    let mut default = Config::of_observer();
    default.node.genesis = config.node.genesis.clone();
    assert_eq!(config, default);
}

#[test]
fn four_local_members_share_a_ledger_and_nothing_else() {
    let mut taken = BTreeSet::new();
    for member in ["a", "b", "c", "d"] {
        let config = parse(&text(&format!("local/{member}.toml")));
        assert_eq!(config.node.role, Role::Member);
        assert_eq!(
            config.node.genesis.as_deref(),
            Some(Path::new("genesis.json"))
        );
        let id = config.member.id.clone().unwrap();
        assert_eq!(id.as_str(), format!("university-{member}"));

        let listen = config.network.listen.clone();
        let (host, port) = listen.rsplit_once('/').unwrap();
        assert_eq!(host, "/ip4/127.0.0.1/tcp");
        let port: u16 = port.parse().unwrap();
        for own in [
            id.to_string(),
            config.node.data_dir.display().to_string(),
            config.member.keys_dir.display().to_string(),
            config.http.listen.port().to_string(),
            port.to_string(),
            (port + 1).to_string(), // gossip
        ] {
            assert!(taken.insert(own.clone()), "{own} twice");
        }

        let mut default = Config::of_member(id);
        default.node = config.node.clone();
        default.member = config.member.clone();
        default.http.listen = config.http.listen;
        default.network.listen = listen;
        assert_eq!(config, default, "{member}");
    }
}
