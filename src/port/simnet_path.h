/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a link does to a frame of simnet.h, and the numbers that decide it. Pure: time
 * and the state of the generator come in.
 */
#ifndef REEVE_PORT_SIMNET_PATH_H
#define REEVE_PORT_SIMNET_PATH_H

#include "port/simnet.h"

/* A link and what was sent over it. All zero: a perfect one, unused. */
struct path {
	struct simnet_link link;
	uint64_t line_free; /* when the last bit of what waits has left */
	uint64_t rest;	    /* of a nanosecond, in units of 1 / bits_per_s */
	uint64_t last;	    /* when the last frame that keeps its order arrives */
};

/* splitmix64 (Steele, Lea, Flood 2014; Vigna's constants). */
uint64_t random_next(uint64_t *state);

/* 0 to bound - 1; 0 if bound is 0. */
uint64_t random_below(uint64_t *state, uint64_t bound);

/* True so many times of a million. What never happens draws no number. */
static inline bool random_chance(uint64_t *state, uint32_t ppm)
{
	return ppm && random_below(state, 1000000) < ppm;
}

/* When its last bit leaves; -ENOBUFS: too many bytes wait before it. */
int path_queue(struct path *p, uint32_t len, uint64_t now, uint64_t *ret_left);

/* When a frame that left then arrives; whether it is one of those that were held back. */
uint64_t path_arrival(struct path *p, uint64_t *state, uint64_t left, bool *ret_held);

/* `len` is not 0. At least one bit is another one afterwards. */
void path_corrupt(uint64_t *state, uint8_t *frame, uint32_t len);

#endif
