//! What people see who check a credential with a browser and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic

mod town;

use credlog_credential::Credential;
use town::{Reply, Running, Town, sample};

/// A credential without a status elsewhere.
const VALID: &str = "status-list-revocation.json";

/// Sends the form with these fields; one with a name of a file as a file.
async fn send(running: &Running, fields: &[(&str, &[u8])]) -> Reply {
    let mut body = Vec::new();
    for (name, value) in fields {
        let filename = match *name {
            "file" => "; filename=\"badge.json\"",
            _ => "",
        };
        let head =
            format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"{filename}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    let kind = [("content-type", "multipart/form-data; boundary=edge")];
    running.request("POST", "/", &kind, &body).await
}

/// Sends a form that must lead to a verdict; answers with the page.
async fn told(running: &Running, fields: &[(&str, &[u8])]) -> String {
    let reply = send(running, fields).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    is_page(&reply);
    reply.text().to_owned()
}

fn is_page(reply: &Reply) {
    assert_eq!(
        reply.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(!policy.contains("script-src"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(reply.header("set-cookie"), None);
    let text = reply.text();
    for forbidden in ["<script", "http://", "style="] {
        assert!(!text.contains(forbidden), "{forbidden}: {text}");
    }
    assert!(text.contains("<html lang=\"en\">") && text.contains("<label for=\"file\">"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_followed_from_its_issue_to_its_end() {
    let town = Town::new();
    let running = town.start().await;
    running.accredit().await;
    let first = running.get("/").await;
    is_page(&first);
    assert!(
        first.text().contains("test.example/ledger"),
        "the ledger's head"
    );
    let json = sample(VALID);
    let credential = Credential::parse(&json).unwrap();
    let digest = credlog_verify::digest_of(&credential);
    let page = told(&running, &[("file", &json), ("text", b""), ("at", b"")]).await;
    assert!(page.contains("Not issued on this ledger"), "{page}");
    running.commit(&running.issue(&[(3, digest)])).await;
    let page = told(&running, &[("file", &json)]).await;
    assert!(page.contains("</span> Valid</h1>"), "{page}");
    let registered = page.find("(as on the ledger)").unwrap();
    assert!(
        registered < page.find("(it says)").unwrap(),
        "claims come second"
    );
    assert!(page.contains("<details>") && page.contains("Is the signature good?"));
    let page = told(&running, &[("text", &json)]).await;
    assert!(page.contains("</span> Valid</h1>"), "{page}");
    let page = told(&running, &[("file", &json), ("at", b"2025-12-01")]).await;
    assert!(page.contains("</span> Not valid yet</h1>"), "{page}");
    assert!(page.contains("value=\"2025-12-01\""), "the date stays");
    let page = told(&running, &[("text", format!(" {digest}\n").as_bytes())]).await;
    assert!(
        page.contains("Not known"),
        "nobody saw its signature: {page}"
    );
    running.commit(&running.revoke(&[digest])).await;
    let page = told(&running, &[("file", &json)]).await;
    assert!(page.contains("</span> Revoked</h1>"), "{page}");
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_checked_is_told_on_the_page() {
    let mut town = Town::new();
    town.config.http.verify_body_bytes_max = 2_048;
    let running = town.start().await;
    let long = vec![b' '; 2_049];
    for (fields, status, words) in [
        (&[][..], 400, "choose a file"),
        (
            &[("text", &b"{}"[..]), ("file", b"{}")],
            400,
            "give one of them",
        ),
        (&[("text", b"not a credential")], 400, "Not checked"),
        (
            &[("text", b"{}"), ("at", b"yesterday")],
            400,
            "is not a date",
        ),
        (&[("other", b"{}")], 400, "the form cannot be read"),
        (&[("file", &long)], 413, "at most 2048 bytes"),
    ] {
        let reply = send(&running, fields).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        is_page(&reply);
        assert!(reply.text().contains(words), "{words}: {}", reply.text());
    }
    let json = [("content-type", "application/json")];
    let reply = running.request("POST", "/", &json, b"{}").await;
    assert_eq!(reply.status, 415);
    is_page(&reply);
    let reply = running.get("/?x=1").await;
    assert_eq!(reply.status, 400);
    is_page(&reply);
    running.node.shutdown().await;
}

/// Whoever writes a credential chooses its words, and would choose a script.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_cannot_write_markup() {
    let town = Town::new();
    let running = town.start().await;
    let mut json: serde_json::Value = serde_json::from_slice(&sample(VALID)).unwrap();
    json["name"] = "<script>alert(1)</script><img src=x onerror=alert(1)>".into();
    let page = told(&running, &[("text", json.to_string().as_bytes())]).await;
    assert!(page.contains("</span> Invalid</h1>"), "{page}");
    assert!(
        page.contains("&lt;script&gt;") && !page.contains("<img"),
        "{page}"
    );
    running.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_that_tries_the_interface_runs_its_own_script_alone() {
    let town = Town::new();
    let running = town.start().await;
    let page = running.get("/docs").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("script-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(page.text().contains("<script src=\"/docs.js\">"));
    assert!(!page.text().contains("http://") && !page.text().contains("https://"));
    for (path, kind) in [
        ("/docs.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
    ] {
        let reply = running.get(path).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some(kind))
        );
        assert!(
            !reply.text().contains("http"),
            "{path} loads something from elsewhere"
        );
    }
    running.node.shutdown().await;
}
