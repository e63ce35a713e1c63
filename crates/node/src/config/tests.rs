use super::*;

const MINIMAL: &str = "[member]\nid = \"university-a\"\n";

#[test]
fn a_minimal_file_has_every_default() {
    let config = Config::parse(MINIMAL, Path::new("")).unwrap();
    assert_eq!(config, Config::of_member("university-a".parse().unwrap()));
    assert_eq!(config.http.listen, "127.0.0.1:7700".parse().unwrap());
    assert_eq!(config.http.header_timeout_ms, 5_000);
}

#[test]
fn paths_are_relative_to_the_file() {
    let text = "[node]\ndata_dir = \"d\"\ngenesis = \"/etc/g.json\"\n[member]\nid = \"a\"\n";
    let config = Config::parse(text, Path::new("/srv/node")).unwrap();
    assert_eq!(config.node.data_dir, Path::new("/srv/node/d"));
    assert_eq!(
        config.node.genesis.as_deref(),
        Some(Path::new("/etc/g.json"))
    );
    assert_eq!(config.member.keys_dir, Path::new("/srv/node/keys"));
}

#[test]
fn a_member_has_an_id_and_an_observer_has_none() {
    let parse = |text| Config::parse(text, Path::new(""));
    let observer = "[node]\nrole = \"observer\"\n[member]\n";
    assert_eq!(parse(observer).unwrap(), Config::of_observer());
    let named = format!("{observer}id = \"a\"\n");
    for bad in ["[member]\n", &named] {
        assert!(matches!(parse(bad), Err(ConfigError::Role(_))), "{bad}");
    }
}

#[test]
fn nobody_issues_without_a_token_through_a_proxy() {
    let issuer = "[issuer]\nid = \"did:example:a\"\nkey = \"k\"\ntoken_file = \"t\"\n";
    let proxies = "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let open = "loopback_without_token = true\n";
    let parse = |text: &str| Config::parse(&format!("{MINIMAL}{text}"), Path::new(""));
    let both = parse(&format!("{proxies}{issuer}{open}"));
    assert!(matches!(both, Err(ConfigError::Open)), "{both:?}");
    assert!(parse(&format!("{issuer}{open}")).is_ok());
    assert!(parse(&format!("{proxies}{issuer}")).is_ok());
}

#[test]
fn unknown_settings_and_values_out_of_range_are_refused() {
    for bad in [
        "[member]\nid = \"University A\"\n",
        "[member]\nid = \"a\"\n[htp]\n",
        "[member]\nid = \"a\"\n[http]\nlisten_on = \"127.0.0.1:1\"\n",
        "[member]\nid = \"a\"\n[http]\nlisten = \"localhost\"\n",
        "[member]\nid = \"a\"\n[http]\nheader_timeout_ms = -1\n",
        "[member]\nid = \"a\"\n[http]\ntrusted_proxies = [\"10.0.0.0/33\"]\n",
        "[member]\nid = \"a\"\n[log]\nlevel = \"loud\"\n",
    ] {
        let error = Config::parse(bad, Path::new("")).unwrap_err();
        assert!(matches!(error, ConfigError::Toml(_)), "{bad}: {error}");
    }
    for (setting, bad) in [
        ("http.header_timeout_ms", "[http]\nheader_timeout_ms = 0\n"),
        ("http.connections_max", "[http]\nconnections_max = 0\n"),
        (
            "http.bodies_bytes_max",
            "[http]\nbodies_bytes_max = 8388608\n",
        ),
        (
            "store.disk_reserve_bytes",
            "[store]\ndisk_reserve_bytes = 0\n",
        ),
        ("mempool.bytes_max", "[mempool]\nbytes_max = 10\n"),
        ("rate_limit.reads_burst", "[rate_limit]\nreads_burst = 0\n"),
    ] {
        match Config::parse(&format!("{MINIMAL}{bad}"), Path::new("")) {
            Err(ConfigError::OutOfRange { setting: found, .. }) => assert_eq!(found, setting),
            other => panic!("{bad}: {other:?}"),
        }
    }
}
