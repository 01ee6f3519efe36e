/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What root's side of interfaces stands on, made up: maps in memory, a loader
 * that answers when the test says so, flow rules in a list, and a core that
 * keeps what it is sent. Each call to the kernel can be made to fail. Every map
 * is a real descriptor, so that what is left open can be counted.
 */
#ifndef TEST_REEVED_HOST_H
#define TEST_REEVED_HOST_H

#include "reeved.h"

enum { ENS1 = 7, ENS2 = 8, LO = 1 };
enum { MEDIA = 2, OTHER };

enum { CALLS_MAX = 64, ELEMENTS_MAX = 4096, RULES_MOST = 16, RUNS_MAX = 512, GROUPS_MOST = 16 };

/* Writing to a map, in the order of the calls. */
struct call {
	int map;
	uint32_t key; /* its first four bytes */
	bool set;     /* or deleted */
};

struct element {
	int map; /* 0: unused */
	size_t key_size;
	uint8_t key[64], value[16];
};

struct host {
	struct reeved d;
	struct conf conf_at_start;

	struct element elements[ELEMENTS_MAX];
	struct call calls[CALLS_MAX];
	unsigned ncalls;
	int fail_at; /* the so-manieth call fails; 0: none */
	int fail_code;

	struct loader_run *runs[RUNS_MAX]; /* under way, in order; as they started */
	unsigned nruns;
	int maps[LOADER_FDS_MAX]; /* what the last attachment gave, as the test sees them */

	uint32_t rules[RULES_MOST]; /* locations; 0: unused */
	uint32_t next_location;
	bool ntuple_on, ntuple_possible;

	uint8_t groups[GROUPS_MOST][6]; /* memberships; all zero: unused */
	struct ipaddr local;		/* that the kernel has */

	bool ens1_gone;
	const char *ens1_name;
	uint32_t channels;
	struct nic_table table;

	union pp_msg sent; /* to the core, the last */
	unsigned nsent, sent_fds;
	unsigned refusals; /* that were complained of */
};

extern struct host host;

/* Elements of all maps, rules, groups and descriptors: the whole of the kernel's side. */
struct kernel {
	struct element elements[ELEMENTS_MAX];
	uint32_t rules[RULES_MOST];
	uint8_t groups[GROUPS_MOST][6];
	unsigned fds;
};

void host_look(struct kernel *ret);

/* An element, all of it zero where there is none. */
void host_element(int map, const void *key, size_t key_size, void *value, size_t size);
bool host_has(int map, uint32_t key);
unsigned host_elements(int map);
/* Forgets the calls so far; the `nth` from now on fails. */
void host_fail(int nth, int code);
/* The loader that started first answers with an error. */
void host_loader_fails(int error, bool lost);
/* The first of those that do such a thing answers, with maps of this form. */
void host_loader_attaches(enum nic_form form, uint32_t channels_were);
void host_loader_detaches(void);
void host_loader_makes_owner(void);
void host_loader_makes_socket(void);
bool host_loader_does(enum loader_op op);
const struct loader_request *host_loader_request(void); /* NULL: none is under way */
unsigned host_open_fds(void);

#endif
