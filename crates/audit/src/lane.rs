//! Work done by several threads whose results come out in the order of their input.
//!
//! A lane takes its input one by one, works on several at a time, and hands the results out in
//! order. It holds a bounded number of results of a bounded weight: whoever reads slowly slows it
//! down. Lanes stand behind one another, each with the one before as its input.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;

/// What a result weighs, in bytes of memory, roughly.
pub(crate) trait Weigh {
    fn weight(&self) -> usize;
}

/// Limits of a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Threads that work.
    pub(crate) threads: usize,
    /// Results under way or waiting.
    pub(crate) results: u64,
    /// Weight of the results that wait; one more of each thread may come on top.
    pub(crate) weight: usize,
}

/// The results, in order.
pub(crate) struct Lane<I, O> {
    belt: Arc<Belt<I, O>>,
}

struct Belt<I, O> {
    limits: Limits,
    input: Mutex<Input<I>>,
    output: Mutex<Output<O>>,
    /// Room has come about, or the lane is closed.
    room: Condvar,
    /// A result has come, or none will.
    result: Condvar,
}

struct Input<I> {
    items: Option<I>,
    next: u64,
}

struct Output<O> {
    ready: BTreeMap<u64, O>,
    weight: usize,
    next: u64,
    /// Threads that may still bring a result.
    working: usize,
    /// Nobody reads any more.
    closed: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a lane in a scope of threads.
pub(crate) fn lane<'scope, I, O, F>(
    scope: &'scope Scope<'scope, '_>,
    limits: Limits,
    items: I,
    work: F,
) -> Lane<I, O>
where
    I: Iterator + Send + 'scope,
    O: Weigh + Send + 'scope,
    F: Fn(I::Item) -> O + Send + Sync + 'scope,
{
    let threads = limits.threads.max(1);
    let belt = Arc::new(Belt {
        limits,
        input: Mutex::new(Input {
            items: Some(items),
            next: 0,
        }),
        output: Mutex::new(Output {
            ready: BTreeMap::new(),
            weight: 0,
            next: 0,
            working: threads,
            closed: false,
        }),
        room: Condvar::new(),
        result: Condvar::new(),
    });
    let work = Arc::new(work);
    for _ in 0..threads {
        let (worker, work) = (Worker(Arc::clone(&belt)), Arc::clone(&work));
        scope.spawn(move || worker.run(&*work));
    }
    Lane { belt }
}

/// Says that it has gone when it goes, by a panic too: nobody waits for it then.
struct Worker<I, O>(Arc<Belt<I, O>>);

impl<I, O> Drop for Worker<I, O> {
    fn drop(&mut self) {
        let belt = &self.0;
        let mut output = locked(&belt.output);
        output.working -= 1;
        if std::thread::panicking() {
            output.closed = true;
            belt.room.notify_all();
        }
        belt.result.notify_all();
    }
}

impl<I: Iterator, O: Weigh> Worker<I, O> {
    fn run(&self, work: &impl Fn(I::Item) -> O) {
        while let Some((number, item)) = self.take() {
            let result = work(item);
            let mut output = locked(&self.0.output);
            output.weight += result.weight();
            output.ready.insert(number, result);
            drop(output);
            self.0.result.notify_all();
        }
    }

    /// The next item, when there is room for its result.
    fn take(&self) -> Option<(u64, I::Item)> {
        let mut input = locked(&self.0.input);
        let number = input.next;
        if !self.0.wait_for_room(number) {
            // What feeds this lane ends too.
            input.items = None;
        }
        let item = input.items.as_mut()?.next();
        match item {
            Some(item) => {
                input.next += 1;
                Some((number, item))
            }
            None => {
                input.items = None;
                None
            }
        }
    }
}

impl<I, O> Belt<I, O> {
    /// Waits until the result of this number has room; false if nobody wants it.
    fn wait_for_room(&self, number: u64) -> bool {
        let mut output = locked(&self.output);
        loop {
            if output.closed {
                return false;
            }
            let has_room = number < output.next + self.limits.results.max(1)
                && output.weight < self.limits.weight;
            if has_room || number == output.next {
                return true;
            }
            output = self
                .room
                .wait(output)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<I, O: Weigh> Iterator for Lane<I, O> {
    type Item = O;

    fn next(&mut self) -> Option<O> {
        let belt = &self.belt;
        let mut output = locked(&belt.output);
        loop {
            let number = output.next;
            if let Some(result) = output.ready.remove(&number) {
                output.next += 1;
                output.weight -= result.weight();
                belt.room.notify_all();
                return Some(result);
            }
            if output.working == 0 || output.closed {
                return None;
            }
            output = belt
                .result
                .wait(output)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<I, O> Drop for Lane<I, O> {
    fn drop(&mut self) {
        locked(&self.belt.output).closed = true;
        self.belt.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    impl Weigh for usize {
        fn weight(&self) -> usize {
            *self
        }
    }

    const LIMITS: Limits = Limits {
        threads: 4,
        results: 8,
        weight: 1_000_000,
    };

    #[test]
    fn results_come_in_order_through_lanes_behind_one_another() {
        thread::scope(|scope| {
            let first = lane(scope, LIMITS, 0..5_000_usize, |n| {
                if n % 7 == 0 {
                    thread::yield_now();
                }
                n * 2
            });
            let second = lane(scope, LIMITS, first, |n| n + 1);
            let found: Vec<_> = second.collect();
            let expected: Vec<_> = (0..5_000).map(|n| n * 2 + 1).collect();
            assert_eq!(found, expected);
        });
    }

    #[test]
    fn no_more_is_held_than_the_limits_say() {
        let held = AtomicUsize::new(0);
        for limits in [
            Limits {
                weight: usize::MAX,
                ..LIMITS
            },
            Limits {
                results: 1_000,
                weight: 20,
                ..LIMITS
            },
        ] {
            thread::scope(|scope| {
                let results = lane(scope, limits, 0..500_usize, |_| {
                    held.fetch_add(1, Ordering::SeqCst);
                    10
                });
                for _ in results {
                    assert!(held.fetch_sub(1, Ordering::SeqCst) <= 9);
                    thread::sleep(std::time::Duration::from_micros(50));
                }
            });
        }
    }

    #[test]
    fn who_stops_reading_ends_every_lane() {
        thread::scope(|scope| {
            let first = lane(scope, LIMITS, 0_usize.., |n| n);
            let second = lane(scope, LIMITS, first, |n| n);
            let found: Vec<_> = second.take(3).collect();
            assert_eq!(found, [0, 1, 2]);
        });
    }

    #[test]
    fn a_panic_ends_the_lane_and_is_not_lost() {
        let outcome = thread::spawn(|| {
            thread::scope(|scope| {
                let results = lane(scope, LIMITS, 0..100_usize, |n| {
                    assert_ne!(n, 20);
                    n
                });
                results.count()
            })
        });
        assert!(outcome.join().is_err());
    }
}
