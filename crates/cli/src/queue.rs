//! Which of many runs may begin now: no more at once than were asked for, and no more memory and
//! processors than there are.

/// What a run needs, or what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Runs.
    pub jobs: usize,
    /// MiB.
    pub memory_mib: u64,
    /// Processors of machines.
    pub cores: u32,
}

/// Runs that wait for their turn.
#[derive(Debug)]
pub struct Queue {
    whole: Load,
    free: Load,
    running: usize,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    number: usize,
    load: Load,
    /// How often a later one went first.
    passed_over: u32,
}

/// A run that needs much is not passed over more often.
const PATIENCE: u32 = 4;

impl Queue {
    /// For a host that has so much.
    pub fn new(whole: Load) -> Self {
        Self {
            whole,
            free: whole,
            running: 0,
            waiting: Vec::new(),
        }
    }

    /// Adds a run. One that needs more than there is gets all of it: it runs alone.
    pub fn add(&mut self, number: usize, load: Load) {
        let load = Load {
            jobs: 1,
            memory_mib: load.memory_mib.min(self.whole.memory_mib),
            cores: load.cores.min(self.whole.cores),
        };
        self.waiting.push(Waiting {
            number,
            load,
            passed_over: 0,
        });
    }

    /// The run that may begin now, and what to give back when it has ended.
    pub fn next(&mut self) -> Option<(usize, Load)> {
        let free = self.free;
        let fits = |load: Load| {
            load.jobs <= free.jobs && load.memory_mib <= free.memory_mib && load.cores <= free.cores
        };
        let mut chosen = None;
        for (index, waiting) in self.waiting.iter().enumerate() {
            if fits(waiting.load) {
                chosen = Some(index);
                break;
            }
            if waiting.passed_over >= PATIENCE {
                break;
            }
        }
        let index = chosen?;
        for waiting in &mut self.waiting[..index] {
            waiting.passed_over += 1;
        }
        let Waiting { number, load, .. } = self.waiting.remove(index);
        self.free.jobs -= load.jobs;
        self.free.memory_mib -= load.memory_mib;
        self.free.cores -= load.cores;
        self.running += 1;
        Some((number, load))
    }

    /// A run has ended.
    pub fn give_back(&mut self, load: Load) {
        self.free.jobs += load.jobs;
        self.free.memory_mib += load.memory_mib;
        self.free.cores += load.cores;
        self.running -= 1;
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Nothing more begins.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(memory_mib: u64, cores: u32) -> Load {
        Load {
            jobs: 1,
            memory_mib,
            cores,
        }
    }

    fn whole(jobs: usize, memory_mib: u64, cores: u32) -> Queue {
        Queue::new(Load {
            jobs,
            memory_mib,
            cores,
        })
    }

    fn take(queue: &mut Queue) -> Vec<usize> {
        std::iter::from_fn(|| queue.next())
            .map(|(number, _)| number)
            .collect()
    }

    #[test]
    fn no_more_begin_than_there_is_room_for() {
        let mut queue = whole(3, 4000, 4);
        for number in 0..5 {
            queue.add(number, load(1000, 1));
        }
        assert_eq!(take(&mut queue), [0, 1, 2], "jobs");
        queue.give_back(load(1000, 1));
        assert_eq!(take(&mut queue), [3]);

        let mut queue = whole(9, 2500, 9);
        (0..5).for_each(|number| queue.add(number, load(1000, 1)));
        assert_eq!(take(&mut queue), [0, 1], "memory");

        let mut queue = whole(9, 9000, 4);
        (0..5).for_each(|number| queue.add(number, load(1000, 2)));
        assert_eq!(take(&mut queue), [0, 1], "processors");
        assert_eq!(queue.running(), 2);
    }

    #[test]
    fn what_is_too_large_runs_alone() {
        let mut queue = whole(4, 2000, 4);
        queue.add(0, load(16_000, 32));
        queue.add(1, load(100, 1));
        let (number, all) = queue.next().unwrap();
        assert_eq!(number, 0);
        assert_eq!(queue.next(), None);
        queue.give_back(all);
        assert_eq!(take(&mut queue), [1]);
    }

    #[test]
    fn small_ones_go_first_but_not_for_ever() {
        let mut queue = whole(9, 2000, 9);
        queue.add(0, load(1000, 1));
        queue.add(1, load(2000, 1));
        (2..20).for_each(|number| queue.add(number, load(500, 1)));
        let (_, first) = queue.next().unwrap();
        let mut before = Vec::new();
        while let Some((number, small)) = queue.next() {
            before.push(number);
            queue.give_back(small);
        }
        assert_eq!(before.len(), PATIENCE as usize, "{before:?}");
        queue.give_back(first);
        assert_eq!(queue.next().map(|(number, _)| number), Some(1));
    }
}
