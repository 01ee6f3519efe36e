/* SPDX-License-Identifier: BSD-3-Clause */
/* What a connection does with its events: one pair of callbacks for each protocol. */
#ifndef REEVE_CORE_SESSION_H
#define REEVE_CORE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;
struct conn;

void mtl_events(struct conn *c, uint32_t events);
void mtl_closed(struct conn *c);
/* What an earlier core kept of it: counted and linked; gone on with once the core is ready. */
void mtl_resumed(struct conn *c);
void native_resumed(struct conn *c);
void native_events(struct conn *c, uint32_t events);
void native_closed(struct conn *c);
/* A message with its NUL; takes the text. NULL closes: out of memory. */
void native_send(struct conn *c, char *text, size_t len);
/* With up to two descriptors, which stay the caller's. */
void native_send_fds(struct conn *c, char *text, size_t len, const int *fds, unsigned nfds);
void native_resume(struct conn *c);
void native_stream(struct conn *c, uint64_t since);
void native_streams_push(struct core *core);
/* After a new config: a stream shows what its client may see now, or it ends. */
void native_match_stream(struct conn *c, bool changed);

#endif
