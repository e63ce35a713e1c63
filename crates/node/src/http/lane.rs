//! A lane of work on blocking threads: so much at work, so much waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use credlog_api::{Problem, ProblemType};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::{Refusal, internal};

/// Bounds one kind of work.
pub(crate) struct Lane {
    running: Arc<Semaphore>,
    waiting: AtomicU32,
    waiting_max: u32,
    /// What is said to those for whom there is no room.
    refusal: &'static str,
}

/// The right to work. It belongs inside of the work itself: a client that goes away ends
/// the future that waits for the work, but not the thread that does it.
pub(crate) type Turn = OwnedSemaphorePermit;

impl Lane {
    pub(crate) fn new(running_max: usize, waiting_max: u32, refusal: &'static str) -> Self {
        Self {
            running: Arc::new(Semaphore::new(running_max)),
            waiting: AtomicU32::new(0),
            waiting_max,
            refusal,
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// 503 if too many wait already.
    pub(crate) async fn turn(&self) -> Result<Turn, Refusal> {
        if let Ok(turn) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(turn);
        }
        let waiting = Waiting::begin(&self.waiting);
        if waiting.before >= self.waiting_max {
            let problem = Problem::new(ProblemType::OVERLOADED, self.refusal).retry_after(1);
            return Err(problem.into());
        }
        self.patient_turn().await
    }

    /// Waits for a turn however many wait: for work whose number is bounded elsewhere.
    ///
    /// # Errors
    /// The lane is closed.
    pub(crate) async fn patient_turn(&self) -> Result<Turn, Refusal> {
        let turn = Arc::clone(&self.running).acquire_owned();
        turn.await.map_err(|_| internal())
    }
}

/// Counts as waiting until it is dropped, also when the client goes away.
struct Waiting<'l> {
    count: &'l AtomicU32,
    before: u32,
}

impl<'l> Waiting<'l> {
    fn begin(count: &'l AtomicU32) -> Self {
        let before = count.fetch_add(1, Ordering::Relaxed);
        Self { count, before }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Once the permit lived in the future: a client that hung up freed it while the
    /// thread went on, and a client that came again and again had every thread.
    #[tokio::test]
    async fn work_holds_its_turn_when_nobody_waits_for_it_any_more() {
        let lane = Lane::new(1, 0, "full");
        let (end, ended) = mpsc::channel::<()>();
        let turn = lane.turn().await.unwrap();
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let _ = ended.recv();
        });
        let gone = tokio::time::timeout(Duration::from_millis(10), work).await;
        assert!(gone.is_err(), "the client is gone, the work is not");
        let refusal = lane.turn().await.unwrap_err();
        assert_eq!(refusal.0.status, 503);
        assert_eq!(refusal.0.retry_after_s, Some(1));
        drop(end);
        let mut again = lane.turn().await;
        for _ in 0..500 {
            if again.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            again = lane.turn().await;
        }
        assert!(again.is_ok());
    }

    #[tokio::test]
    async fn so_many_wait_and_no_more() {
        let lane = Lane::new(1, 1, "full");
        let first = lane.turn().await.unwrap();
        let waits = lane.turn();
        tokio::pin!(waits);
        let early = tokio::time::timeout(Duration::from_millis(10), waits.as_mut()).await;
        assert!(early.is_err());
        assert!(lane.turn().await.is_err());
        drop(first);
        assert!(waits.await.is_ok());
        assert_eq!(lane.waiting.load(Ordering::Relaxed), 0);
    }
}
