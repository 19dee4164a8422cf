//! Bounds: depth of calls, stack, memory, time.

use super::Evaluator;
use crate::error::{Fault, FaultData, Kind};
use crate::source::Pos;

/// How many forced values pass between two looks at the clock and the memory.
const STEPS_BETWEEN_CHECKS: u32 = 4096;

impl Evaluator<'_> {
    #[inline]
    pub(crate) fn check_stack(&self) -> Result<(), Fault> {
        let marker = 0u8;
        if (&raw const marker).addr() < self.stack_limit {
            Err(stack_overflow())
        } else {
            Ok(())
        }
    }

    #[inline]
    pub(super) fn enter_call(&self, pos: Pos) -> Result<(), Fault> {
        let depth = self.depth.get() + 1;
        if depth > self.options.max_call_depth {
            return Err(FaultData::new(
                Kind::StackOverflow,
                pos,
                "stack overflow; max-call-depth exceeded",
            ));
        }
        self.depth.set(depth);
        let steps = self.steps.get().wrapping_add(1);
        self.steps.set(steps);
        if steps.is_multiple_of(STEPS_BETWEEN_CHECKS) {
            self.check_limits(pos)?;
        }
        Ok(())
    }

    #[cold]
    fn check_limits(&self, pos: Pos) -> Result<(), Fault> {
        if let Some(limit) = self.options.max_memory
            && self.memory() > limit
        {
            let message = format!("evaluation needs more than {} MiB of memory", limit >> 20);
            return Err(FaultData::new(Kind::Limit, pos, message));
        }
        if let Some(interrupt) = &self.options.interrupt
            && interrupt.swap(false, std::sync::atomic::Ordering::Relaxed)
        {
            return Err(FaultData::new(
                Kind::Interrupted,
                pos,
                "interrupted by the user",
            ));
        }
        if let Some(deadline) = self.deadline
            && std::time::Instant::now() > deadline
        {
            return Err(FaultData::new(
                Kind::Limit,
                pos,
                "evaluation takes longer than allowed",
            ));
        }
        Ok(())
    }
}

#[cold]
fn stack_overflow() -> Fault {
    FaultData::new(
        Kind::StackOverflow,
        Pos::NONE,
        "stack overflow (possible infinite recursion)",
    )
}
