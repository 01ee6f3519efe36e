/* SPDX-License-Identifier: BSD-3-Clause */
/* The process as the daemon knows it: by a random id, for as long as one connection lives. */
#ifndef REEVE_SHIM_APP_H
#define REEVE_SHIM_APP_H

#include "shim/channel.h"

/* 0: registered now, or since before. Any thread. */
int app_register(void);

/* -ENOTCONN: it is not registered, or the daemon is gone. Any thread. */
int app_attach(uint32_t buffers, struct channel **ret);

#endif
