/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve_bpf.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "mech/ethnl.h"

unsigned modes_to_try(uint32_t want_mode, enum nic_mode ret[static 2])
{
	ret[0] = want_mode == NIC_MODE_ONLY_GENERIC ? NIC_MODE_GENERIC : NIC_MODE_NATIVE;
	ret[1] = NIC_MODE_GENERIC;
	return want_mode == NIC_MODE_AUTO ? 2 : 1;
}

/* Drivers say it in many ways; what is listed has nothing to do with the mode. */
bool mode_refused(int error)
{
	return error != EBUSY && error != EEXIST && error != ENODEV && error != ENOMEM;
}

void attached_close(struct attached *a)
{
	while (a->nfds)
		close(a->fds[--a->nfds]);
}

static int target_find(uint32_t ifindex, struct target *ret, struct err *e)
{
	int r = loader_pin_path(ifindex, ret->pins);

	if (r < 0)
		return fail(e, -r, "/proc/self/ns/net: %s", strerror(-r));
	ret->ifindex = ifindex;
	ret->name[0] = '\0';
	if (!if_indextoname(ifindex, ret->name))
		return fail(e, ENODEV, "no interface here has the number %u", ifindex);
	return 0;
}

/* *ret_were: as many as there were before, 0 when nothing was changed. */
static int channels_set(uint32_t ifindex, uint32_t count, uint32_t *ret_were, struct err *e)
{
	_cleanup_fd_ int sock = ethnl_socket();
	struct ethnl_channels now;
	struct ethnl n;
	int r;

	*ret_were = 0;
	if (sock < 0)
		return fail(e, -sock, "no netlink socket: %s", strerror(-sock));
	r = ethnl_open(&n, sock, false, e);
	if (r < 0)
		return r;
	r = ethnl_get_channels(&n, ifindex, &now);
	if (r < 0)
		return fail(e, -r, "the interface does not tell its channels: %s", strerror(-r));
	if (ethnl_queues(&now) == count)
		return 0;
	r = ethnl_set_channels(&n, ifindex, count, e);
	if (r == 0)
		*ret_were = ethnl_queues(&now);
	return r;
}

static int attach_form(const struct target *t, const struct loader_request *q, struct attached *ret,
		       struct err *e)
{
	int r;

	if (q->form == NIC_WANT_SINGLE)
		return single_attach(t, q->mode, ret, e);
	r = probe_freplace();
	if (r && q->form == NIC_WANT_DISPATCHER)
		return fail(
			e, r,
			"this kernel does not let a program replace another's function, which libxdp's dispatcher needs: %s",
			strerror(r));
	return r ? single_attach(t, q->mode, ret, e) : dispatcher_attach(t, q->mode, ret, e);
}

static int attach_pinned(const struct target *t, const struct loader_request *q,
			 struct attached *ret, struct err *e)
{
	int r = pins_make(t->pins, e);

	if (r == 0)
		r = attach_form(t, q, ret, e);
	if (r == 0)
		return 0;
	attached_close(ret);
	pins_remove(t->pins);
	return r;
}

static int undo(const struct target *t, struct err *e)
{
	int r = single_detach(t, e);

	if (r == 0)
		r = dispatcher_detach(t, e);
	if (r == 0)
		pins_remove(t->pins);
	return r;
}

int attach(const struct loader_request *q, struct loader_answer *ret, struct attached *ret_attached,
	   struct err *e)
{
	uint32_t were = 0, ignored;
	struct target t;
	int r = pins_usable(e);

	if (r == 0)
		r = target_find(q->ifindex, &t, e);
	/* What a killed predecessor left. */
	if (r == 0)
		r = undo(&t, e);
	if (r == 0 && q->channels)
		r = channels_set(q->ifindex, q->channels, &were, e);
	if (r < 0)
		return r;
	r = attach_pinned(&t, q, ret_attached, e);
	if (r < 0 && were)
		channels_set(q->ifindex, were, &ignored, NULL);
	if (r < 0)
		return r;
	ret->form = ret_attached->form;
	ret->mode = ret_attached->mode;
	ret->prog_id = ret_attached->prog_id;
	ret->channels_were = were;
	return 0;
}

/* No file system, no pins; one that can't be written may have some. */
static int undo_pinned(const struct target *t, struct err *e)
{
	int r;

	if (access(t->pins, F_OK) < 0)
		return 0;
	r = pins_usable(e);
	return r < 0 ? r : undo(t, e);
}

/* An interface that is gone took its programs along; the pins are still there. */
int detach(const struct loader_request *q, struct err *e)
{
	struct err lost = { 0 };
	uint32_t ignored;
	struct target t;
	int found = target_find(q->ifindex, &t, &lost), r;

	if (found < 0 && found != -ENODEV)
		return fail(e, -found, "%s", lost.text);
	r = undo_pinned(&t, e);
	if (r < 0 || found < 0 || !q->channels)
		return r;
	return channels_set(q->ifindex, q->channels, &ignored, e);
}
