/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole core with reeved stood in for: requests are answered by a model of
 * what the kernel would hold, which can fail any of them, or let them wait. At
 * any quiet moment the model and the ledger must say the same.
 */
#ifndef REEVE_FAKE_REEVED_H
#define REEVE_FAKE_REEVED_H

#include "reeve-core/core.h"
#include "reeve-core/nic.h"

enum { FAKE_IF = 2, FAKE_QUEUES = 4, FAKE_HELD = 256 };

/* One thing that the kernel holds for an owner: a queue, a port, an address or a flow; RES_XDP: the owner. */
struct fake_held {
	uint32_t owner;
	uint32_t queue; /* that a flow leads to */
	bool old;	/* an earlier core's, and not named again yet */
	struct res res;
};

struct fake_reeved {
	struct core core;
	struct fake_reeved *before; /* what was left where it stood; kept for who looks for leaks */
	int sock, null_fd;
	unsigned opened; /* how often it was */
	bool open;	 /* the interface ... */
	bool open_old;	 /* ... by an earlier core, and not named again yet */
	bool ready;	 /* the core said so */
	int journal_fd;
	void *journal;
	bool hardware; /* it takes flow rules */
	uint32_t form;
	struct fake_held held[FAKE_HELD];
	uint32_t nheld;
	uint32_t location; /* of the last rule */
	unsigned requests; /* that wanted an answer, since the start */
	unsigned fail_at;  /* the so-manieth of them fails; 0: none */
	int error;	   /* with this errno */
};

/* Once for each program; all zero before. `conf`: NULL for the defaults. */
void fake_start(struct fake_reeved *f, const struct conf *conf);

/*
 * The next core, `f`, over the journal of the one before, which is as if killed:
 * clients are still to be handed to it, and an interface to appear.
 */
void fake_take_over(struct fake_reeved *f, struct fake_reeved *before, enum pp_end end);
/* Over a copy of its journal, which may be damaged. false: it can't be used, and `f` is not there.
 */
bool fake_take_over_copy(struct fake_reeved *f, struct fake_reeved *before, void *journal);
/* A client of the core before, by its slot. */
struct conn *fake_resume(struct fake_reeved *f, struct fake_reeved *before, uint32_t slot);
/* All have come: the cores agree with the kernel, and clients are served. */
void fake_resync(struct fake_reeved *f);

/* All that a core has in memory, its clients too. */
void fake_end(struct fake_reeved *f);

/* An interface of FAKE_QUEUES queues appears. */
void fake_add_nic(struct fake_reeved *f, uint32_t ifindex, const char *name);

/* A client; returns its end of the socket. */
int fake_connect(struct fake_reeved *f, uint32_t slot, enum pp_door door, uint32_t uid,
		 struct conn **ret);

/* Takes one request of the core and answers it; false: there is none. */
bool fake_answer_one(struct fake_reeved *f);
/* All of them, and what follows from the answers. */
void fake_answer(struct fake_reeved *f);

/* Whether what the kernel would hold is what the ledger says. */
bool fake_agrees(const struct fake_reeved *f);

#endif
