/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A call's parameters are taken out of their object one by one, so that a
 * member still there at the end is one that the method does not have. After the
 * first fault nothing more is taken. Where there is nothing to take, *ret is left
 * alone; null is as good as absent.
 */
#ifndef REEVE_WIRE_PARAMS_H
#define REEVE_WIRE_PARAMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/native.h"

enum presence { REQUIRED, OPTIONAL };

struct params {
	json_t *object;
	struct native_fault *fault;
	bool bad;
};

/* org.varlink.service.`error` about `parameter`. */
void params_fault(struct params *p, const char *error, const char *parameter);
/* InvalidParameter. */
void params_refuse(struct params *p, const char *name);
/* Refuses what is left over. Whether all was well. */
bool params_end(struct params *p);

void take_int(struct params *p, const char *name, enum presence presence, int64_t lowest,
	      int64_t highest, int64_t *ret);
void take_bool(struct params *p, const char *name, bool *ret);
/* Text without control characters; whether there is one. */
bool take_text(struct params *p, const char *name, enum presence presence, char *ret, size_t size);
/* Text that may not be empty: "" in the request struct says that it was absent. */
void take_word(struct params *p, const char *name, enum presence presence, char *ret, size_t size);

/* `count` (1 to `max`) or the list `name` of numbers below `max`, not both: the other is empty. */
void take_count_or_list(struct params *p, const char *name, unsigned max, uint32_t *ret_count,
			struct cpuset *ret_exact);
void take_ttl(struct params *p, uint64_t *ret_ns);

/* Numbers from 0 to `highest`, at most `max` of them; how many there are. */
uint32_t take_numbers(struct params *p, const char *name, uint32_t highest, uint32_t *ret,
		      uint32_t max);

/* native_channel.c */
void decode_act_for(struct params *p, struct native_request *q);
void decode_acquire_channel(struct params *p, struct native_request *q);

/* native_nic.c */
void decode_acquire_queues(struct params *p, struct native_request *q);
void decode_port(struct params *p, struct native_request *q);
void decode_acquire_address(struct params *p, struct native_request *q);
void decode_add_flow(struct params *p, struct native_request *q);
void decode_open_socket(struct params *p, struct native_request *q);

#endif
