//! JUnit's XML.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use snowglobe_events::{Kind, Outcome};

use crate::failure;
use crate::fold::Fold;
use crate::paint::Paint;
use crate::watch::Watch;

/// A run as a JUnit report: one case for each subtest, or one for the whole; a failure outside of
/// all subtests has a case of its own.
pub fn junit(fold: &Fold) -> String {
    document([(fold.elapsed, suite(fold))])
}

/// Several runs as one report, each a suite.
pub fn junit_of_watches(watches: &[&Watch]) -> String {
    document(
        watches
            .iter()
            .map(|watch| watch.with(|fold| (fold.elapsed, suite(fold)))),
    )
}

fn document(suites: impl IntoIterator<Item = (u64, TestSuite)>) -> String {
    let mut report = Report::new("snowglobe");
    let mut elapsed = 0;
    for (time, suite) in suites {
        elapsed += time;
        report.add_test_suite(suite);
    }
    report.set_time(Duration::from_micros(elapsed));
    // Only a writer that fails could fail, and this one is memory.
    report.to_string().unwrap_or_default()
}

fn suite(fold: &Fold) -> TestSuite {
    let mut suite = TestSuite::new(fold.title.as_str());
    let time = |micros: u64| Duration::from_micros(micros);
    for subtest in &fold.subtests {
        let status = match (&subtest.error, subtest.duration) {
            (Some(error), _) => failed(NonSuccessKind::Failure, error, None),
            // The run was stopped inside of it.
            (None, None) => failed(NonSuccessKind::Failure, "did not end", None),
            (None, Some(_)) => TestCaseStatus::success(),
        };
        let mut case = TestCase::new(subtest.path.as_str(), status);
        case.set_classname(fold.title.as_str());
        case.set_time(time(
            subtest
                .duration
                .unwrap_or(fold.elapsed.saturating_sub(subtest.since)),
        ));
        if !subtest.output.is_empty() {
            case.set_system_out(subtest.output.as_str());
        }
        suite.add_test_case(case);
    }
    let in_subtest = fold.subtests.iter().any(|subtest| subtest.error.is_some());
    let passed = fold.outcome == Some(Outcome::Passed);
    if fold.subtests.is_empty() || (!passed && !in_subtest) {
        let status = if passed {
            TestCaseStatus::success()
        } else {
            let kind = match fold.outcome {
                Some(Outcome::Failed | Outcome::TimedOut) => NonSuccessKind::Failure,
                _ => NonSuccessKind::Error,
            };
            let (message, class) = fold
                .failures
                .iter()
                .find_map(|failure| match &failure.kind {
                    Kind::Failure { class, message, .. } => Some((message.clone(), Some(class))),
                    _ => None,
                })
                .unwrap_or_else(|| {
                    let words = fold
                        .outcome
                        .map_or("did not end".to_owned(), |o| o.to_string());
                    (words, None)
                });
            failed(kind, &message, class.map(String::as_str))
        };
        let mut case = TestCase::new("main", status);
        case.set_classname(fold.title.as_str());
        case.set_time(time(fold.elapsed));
        suite.add_test_case(case);
    }
    suite.set_time(time(fold.elapsed));
    let story = failure::render(fold, Paint::plain(), failure::RULE);
    if !story.is_empty() {
        suite.set_system_err(story.trim());
    }
    suite
}

fn failed(kind: NonSuccessKind, message: &str, class: Option<&str>) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message);
    if let Some(class) = class {
        status.set_type(class);
    }
    status
}
