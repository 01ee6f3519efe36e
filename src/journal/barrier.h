/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Order between stores of one thread, which the compiler would else choose: all that
 * memory needs whose writer may be killed, not powered off.
 */
#ifndef REEVE_JOURNAL_BARRIER_H
#define REEVE_JOURNAL_BARRIER_H

static inline void store_barrier(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#endif
