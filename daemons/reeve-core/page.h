/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A page of a list over the ledger: everybody waits while it is made, so rows and
 * looks are bounded. The next page begins behind what this one looked at last, in
 * the ledger's order of slots; whatever begins or ends meanwhile does not matter.
 */
#ifndef REEVE_CORE_PAGE_H
#define REEVE_CORE_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledger/ledger.h"

struct conn;

struct page {
	json_t *rows;
	const char *tenant; /* the one asked for, or ""; the caller's to keep */
	uint32_t kind;	    /* of leases; RES_KIND_MAX: all */
	ledger_id at;	    /* looked at last; where to begin, at first */
	uint32_t looks, nrows;
	bool end; /* nothing is left behind `at` */
};

/* The next one that belongs into the page; false: the page is complete. */
bool page_next_lease(struct conn *c, struct page *p, struct lease *ret);
bool page_next_instance(struct conn *c, struct page *p, struct instance *ret);

/* Answers with the rows, as member `name`. Takes them over. */
void page_reply(struct conn *c, struct page *p, const char *name);

#endif
