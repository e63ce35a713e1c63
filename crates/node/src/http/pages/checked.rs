//! A verdict in words.

use credlog_verify::{
    Answer, Check, CheckName, CredentialSummary, Evidence, Outcome, PresentationVerdict,
    PresentedCredential, Registered, Summary, Time, Verdict,
};
use maud::{Markup, html};
use serde_json::Value;

/// The summary for people.
pub(super) fn word(summary: Summary) -> &'static str {
    match summary {
        Summary::Valid => "Valid",
        Summary::Invalid => "Invalid",
        Summary::Revoked => "Revoked",
        Summary::Suspended => "Suspended",
        Summary::Superseded => "Replaced by another credential",
        Summary::NotYetValid => "Not valid yet",
        Summary::Expired => "Expired",
        Summary::NotAnchored => "Not issued on this ledger",
        _ => "Not known",
    }
}

/// Sign and colour of a summary; the word tells the same to those who see neither.
fn look(summary: Summary) -> (&'static str, &'static str) {
    match summary.exit_code() {
        0 => ("good", "✓"),
        1 => ("bad", "✗"),
        _ => ("open", "?"),
    }
}

pub(super) fn answer(answer: &Answer) -> Markup {
    html! {
        (banner(answer.summary(), answer.headline()))
        @match answer {
            Answer::Credential(verdict) => { (findings(verdict)) }
            Answer::Presentation(verdict) => { (presentation(verdict)) }
        }
    }
}

fn banner(summary: Summary, headline: &str) -> Markup {
    let (class, sign) = look(summary);
    html! {
        div class={ "verdict " (class) } role="status" {
            h1 { span aria-hidden="true" { (sign) } " " (word(summary)) }
            p { (headline) }
        }
    }
}

fn presentation(verdict: &PresentationVerdict) -> Markup {
    html! {
        @if let Some(holder) = &verdict.holder {
            dl { dt { "Holder" } dd { (holder) span class="soft" { " (it says)" } } }
        }
        @for one in &verdict.checks { (check(one, verdict.summary)) }
        (inside(&verdict.credentials))
    }
}

/// Credentials inside of something else, each folded.
fn inside(credentials: &[PresentedCredential]) -> Markup {
    html! {
        @for (at, credential) in credentials.iter().enumerate() {
            @let (class, sign) = look(credential.summary());
            details {
                summary {
                    span class={ "outcome " (class) } {
                        span aria-hidden="true" { (sign) " " } (word(credential.summary()))
                    }
                    " Credential " (at + 1) " of " (credentials.len())
                }
                @match credential {
                    PresentedCredential::Judged(verdict) => {
                        p { (verdict.headline) }
                        (findings(verdict))
                    }
                    PresentedCredential::NoCredential { detail, .. } => { p { (detail) } }
                }
            }
        }
    }
}

fn findings(verdict: &Verdict) -> Markup {
    html! {
        dl {
            (registered(&verdict.registered))
            @if let Some(claims) = &verdict.credential { (claimed(claims)) }
            dt { "Digest" } dd { code { (verdict.digest) } }
            dt { "Checked for" }
            dd { (verdict.moment.spoken()) @if verdict.at.is_none() { " (now)" } }
        }
        h2 { "Checks" }
        p class="soft" { "What was asked, and why the answer is what it is." }
        @for one in &verdict.checks { (check(one, verdict.summary)) }
        (inside(&verdict.contained))
    }
}

/// What the ledger knows; it comes first, for whoever wrote the credential chose the claims.
fn registered(registered: &Registered) -> Markup {
    html! {
        @if let Some(name) = &registered.issuer_name {
            dt { "Issuer" } dd { strong { (name) } span class="soft" { " (as on the ledger)" } }
        }
        @if let Some(name) = &registered.achievement_name {
            dt { "Achievement" }
            dd { strong { (name) } span class="soft" { " (as on the ledger)" } }
        }
    }
}

fn claimed(claims: &CredentialSummary) -> Markup {
    let rows = [
        ("Name", claims.name.clone()),
        ("Issuer's name", claims.issuer_name.clone()),
        ("Issuer's id", Some(claims.issuer.clone())),
        ("Achievement", claims.achievement_name.clone()),
        ("Achievement's id", claims.achievement.clone()),
        ("Valid from", claims.valid_from.map(Time::spoken)),
        ("Valid until", claims.valid_until.map(Time::spoken)),
    ];
    html! {
        @for (name, value) in rows {
            @if let Some(value) = value {
                dt { (name) } dd { (value) span class="soft" { " (it says)" } }
            }
        }
    }
}

fn question(name: CheckName) -> &'static str {
    match name {
        CheckName::Proof => "Is the signature good?",
        CheckName::Issuer => "Is the key the issuer's?",
        CheckName::AccreditationAtIssue => "Was the issuer accredited to award it?",
        CheckName::AccreditationNow => "Is the issuer accredited now? (informs only)",
        CheckName::Anchored => "Was it issued on this ledger?",
        CheckName::Status => "Is it neither revoked nor suspended?",
        CheckName::StatusList => "Is it neither revoked nor suspended on other lists?",
        CheckName::Validity => "Is the moment within its validity?",
        CheckName::Contained => "Are the credentials inside of it valid? (informs only)",
        CheckName::Holder => "Did its holder sign it?",
        _ => "A further question",
    }
}

/// A check, folded unless it decides.
fn check(check: &Check, summary: Summary) -> Markup {
    let (class, sign, answer) = match check.outcome {
        Outcome::Yes => ("good", "✓", "Yes"),
        // A check that only informs speaks neither for it nor against it.
        Outcome::No if check.amounts_to == Summary::Valid => ("open", "✗", "No"),
        Outcome::No => (look(check.amounts_to).0, "✗", "No"),
        Outcome::Unknown => ("open", "?", "Not known"),
    };
    let decides = summary != Summary::Valid && check.amounts_to == summary;
    html! {
        details open[decides] {
            summary {
                span class={ "outcome " (class) } {
                    span aria-hidden="true" { (sign) " " } (answer)
                }
                " " (question(check.name))
            }
            p { (check.reason) }
            (evidence(&check.evidence))
        }
    }
}

/// The evidence by the names of its JSON form.
fn evidence(evidence: &Evidence) -> Markup {
    let Ok(Value::Object(found)) = serde_json::to_value(evidence) else {
        return html! {};
    };
    if found.is_empty() {
        return html! {};
    }
    html! {
        dl {
            @for (name, value) in &found {
                dt { (label(name)) }
                dd { (shown(name, value)) }
            }
        }
    }
}

/// `leafIndex` as "Leaf index".
fn label(name: &str) -> String {
    let mut label = String::new();
    for (at, letter) in name.chars().enumerate() {
        match (at, letter.is_uppercase()) {
            (0, _) => label.extend(letter.to_uppercase()),
            (_, true) => {
                label.push(' ');
                label.extend(letter.to_lowercase());
            }
            _ => label.push(letter),
        }
    }
    label
}

fn shown(name: &str, value: &Value) -> Markup {
    match value {
        Value::String(text) if name == "recordId" => {
            html! { a href={ "/v1/records/" (text) } { code { (text) } } }
        }
        Value::String(text) => match text.parse::<Time>() {
            Ok(time) => html! { (time.spoken()) },
            Err(_) => html! { (text) },
        },
        Value::Array(items) => html! {
            @for (at, item) in items.iter().enumerate() {
                @if at > 0 { ", " }
                (shown("", item))
            }
        },
        // An author: {"member": "…"}.
        Value::Object(parts) => html! {
            @for (kind, value) in parts { (kind) " " (shown("", value)) }
        },
        other => html! { (other) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_json_become_words() {
        assert_eq!(label("leafIndex"), "Leaf index");
        assert_eq!(label("by"), "By");
    }

    #[test]
    fn text_of_others_is_escaped() {
        let claims = CredentialSummary {
            name: Some("<script>alert(1)</script>".to_owned()),
            issuer: "did:x:\"><b>".to_owned(),
            ..CredentialSummary::default()
        };
        let shown = claimed(&claims).into_string();
        assert!(
            !shown.contains("<script>") && !shown.contains("<b>"),
            "{shown}"
        );
        assert!(shown.contains("&lt;script&gt;"), "{shown}");
    }
}
