/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers on the MTL socket: one for each request, in order. Either none is
 * waiting to be sent, or the next request is not looked at yet.
 */
#ifndef REEVE_CORE_MTL_H
#define REEVE_CORE_MTL_H

#include <stdint.h>

#include "model/res.h"
#include "wire/mtl.h"

struct conn;

void mtl_answer(struct conn *c, enum mtl_reply_kind kind, int32_t value);
/* `fd` stays the caller's; -1: /dev/null, the refusal that libmtl survives. */
void mtl_answer_fd(struct conn *c, int fd);
/* -1, recorded as a refusal; `res` may be NULL. */
void mtl_refuse(struct conn *c, enum mtl_reply_kind kind, const struct res *res, int error,
		const char *why);

#endif
