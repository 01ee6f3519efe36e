/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taking an interface, and failing, changes it (a program comes and goes), which the
 * kernel tells us as it tells everything else. So after a failure that is not just "no
 * such interface" the next try waits a second, whatever comes.
 */
#include "links.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "mech/netdev.h"
#include "mech/rtnl.h"
#include "netd.h"

enum { READS = 64 }; /* at a time */

#define RETRY_NS NS_PER_S

/* --- one that goes, and comes ----------------------------------------------------------------- */

static void give_up(struct netd *d, struct iface *f)
{
	log_say(LOG_WARN, "interface gone", "%s; it is taken again when it is there", f->name);
	tracers_end(d, f);
	channels_iface_down(d, f);
	iface_close(f);
	f->gone = true;
}

static void complain(struct netd *d, const struct iface *f, const struct err *e)
{
	if (!d->links.complained)
		log_say(LOG_WARN, "can't take the interface again", "%s: %s", f->name, e->text);
	d->links.complained = true;
	d->links.retry_ns = clock_boot_ns() + RETRY_NS;
	loop_timer_set(d->links.timer, d->links.retry_ns);
}

static void take_again(struct netd *d, struct iface *f)
{
	char name[NIC_NAME_MAX];
	struct err e = { 0 };
	int r;

	if (iface_find(f->conf, name, NULL) < 0)
		return;
	r = netd_take(d, f, &e);
	if (r == 0) {
		d->links.complained = false;
		log_say(LOG_INFO, "interface back", "%s", f->name);
		rtnl_dump(d->links.sock); /* it may be down still */
		return;
	}
	iface_close(f);
	memcpy(f->name, name, sizeof(f->name));
	f->gone = true;
	if (r != -ENODEV)
		complain(d, f, &e);
}

static void take_all_again(struct netd *d)
{
	bool too_soon = clock_boot_ns() < d->links.retry_ns;

	for (uint32_t i = 0; i < d->nifaces && !too_soon; i++)
		if (d->ifaces[i].gone)
			take_again(d, &d->ifaces[i]);
}

/* --- one that changes --------------------------------------------------------------------------
 */

static void set_mac(struct engine *e, void *arg)
{
	memcpy(e->port->mac, arg, sizeof(e->port->mac));
}

static void announce(struct engine *e, void *arg)
{
	(void)arg;
	stack_announce(e->stack);
}

static void new_mac(struct iface *f, const uint8_t *m)
{
	memcpy(f->mac, m, sizeof(f->mac));
	for (uint32_t i = 0; i < f->nengines; i++)
		engine_call(&f->engines[i], set_mac, f->mac);
	engine_call(&f->engines[0], announce, NULL);
	log_say(LOG_INFO, "new MAC address", "%s has %02x:%02x:%02x:%02x:%02x:%02x", f->name, m[0],
		m[1], m[2], m[3], m[4], m[5]);
}

/* Who was told before it went down may have forgotten. */
static void up_or_down(struct iface *f, bool up)
{
	f->up = up;
	log_say(up ? LOG_INFO : LOG_WARN, up ? "interface up" : "interface down", "%s", f->name);
	if (up)
		engine_call(&f->engines[0], announce, NULL);
}

static void changed(struct netd *d, struct iface *f, const struct rtnl_link *link)
{
	if (link->gone) {
		give_up(d, f);
		return;
	}
	if (strcmp(f->name, link->name) != 0) {
		log_say(LOG_INFO, "interface renamed", "%s is %s", f->name, link->name);
		memcpy(f->name, link->name, sizeof(f->name));
	}
	if (link->has_mac && memcmp(f->mac, link->mac, sizeof(f->mac)) != 0)
		new_mac(f, link->mac);
	if (f->up != link->up)
		up_or_down(f, link->up);
}

static void on_link(void *arg, const struct rtnl_link *link)
{
	struct netd *d = arg;

	for (uint32_t i = 0; i < d->nifaces; i++)
		if (!d->ifaces[i].gone && d->ifaces[i].ifindex == link->ifindex)
			changed(d, &d->ifaces[i], link);
}

/* --- what the kernel tells -----------------------------------------------------------------------
 */

/* News were lost, so one may have gone, and another come in its place. */
static void look_again(struct netd *d)
{
	struct netdev dev;

	for (uint32_t i = 0; i < d->nifaces; i++) {
		struct iface *f = &d->ifaces[i];

		if (!f->gone && (netdev_read(f->name, &dev, NULL) < 0 || dev.ifindex != f->ifindex))
			give_up(d, f);
	}
	rtnl_dump(d->links.sock);
}

static void on_news(struct watch *w, uint32_t events)
{
	struct netd *d = watch_owner(w, struct netd, links.watch);
	int r = 0;

	(void)events;
	for (int i = 0; i < READS && r != -EAGAIN; i++) {
		r = rtnl_read(w->fd, on_link, d);
		d->links.lost |= r == -ENOBUFS;
	}
	if (r == -EAGAIN && d->links.lost) {
		d->links.lost = false;
		look_again(d);
	}
	take_all_again(d);
}

static void on_timer(struct watch *w, uint32_t events)
{
	struct netd *d = watch_owner(w, struct netd, links.timer_watch);

	(void)events;
	loop_timer_clear(w->fd);
	take_all_again(d);
}

int links_open(struct netd *d, struct err *e)
{
	struct links *l = &d->links;
	int r;

	l->sock = rtnl_socket();
	l->timer = loop_timer();
	r = l->sock < 0 ? l->sock : l->timer < 0 ? l->timer : 0;
	if (r == 0)
		r = loop_add(d->loop, &l->watch, l->sock, EPOLLIN, on_news);
	if (r == 0)
		r = loop_add(d->loop, &l->timer_watch, l->timer, EPOLLIN, on_timer);
	if (r == 0)
		r = rtnl_dump(l->sock);
	return r < 0 ? fail(e, -r, "can't listen to changes of interfaces: %s", strerror(-r)) : 0;
}

void links_close(struct netd *d)
{
	struct links *l = &d->links;

	loop_del(&l->watch);
	loop_del(&l->timer_watch);
	if (l->sock > 0)
		close(l->sock);
	if (l->timer > 0)
		close(l->timer);
}
