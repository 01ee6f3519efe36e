/* SPDX-License-Identifier: BSD-3-Clause */
/* reeve-netd speaks Varlink as reeved does, but needs no greeting and has names of its own. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net.h"
#include "wire/varlink.h"

enum { PATIENCE_MS = 10000 };

int net_open(const struct cli *cli, struct conn *c)
{
	const char *path = cli->socket ?: NETD_SOCKET;
	struct err e = { 0 };
	int r = conn_open(c, path, deadline_in(PATIENCE_MS), &e);

	if (r == 0)
		return EXIT_SUCCESS;
	if (r == -ENOENT || r == -ECONNREFUSED) {
		cli_fail("no netd answers at %s; start it with 'sudo machnet'", path);
		return EXIT_NO_DAEMON;
	}
	if (r == -EACCES)
		return cli_fail("only root may ask netd: %s", path);
	return cli_fail("%s", e.text);
}

static const char *text_of(const json_t *parameters, const char *name)
{
	return json_string_value(json_object_get(parameters, name));
}

/* The sentence for an error of io.reeve.net, or another. */
static void explain(const struct varlink_reply *reply, char *to, size_t size)
{
	const char *name = strrchr(reply->error, '.') ? strrchr(reply->error, '.') + 1 : "";
	const char *why = text_of(reply->parameters, "why");
	const char *iface = text_of(reply->parameters, "interface");

	if (why)
		snprintf(to, size, "%s", why);
	else if (!strcmp(name, "NoSuchInterface") && iface)
		snprintf(to, size, "netd has no interface %s", iface);
	else
		snprintf(to, size, "netd refused: %s", reply->error);
}

static int refused(const struct cli *cli, const struct varlink_reply *reply)
{
	_cleanup_json_ json_t *j = NULL;
	char why[512];

	explain(reply, why, sizeof(why));
	if (cli->json) {
		j = json_pack("{s:s, s:s}", "error", reply->error, "why", why);
		cli_print_json(j);
	}
	return cli_fail("%s", why);
}

static int send_call(struct conn *c, const char *method, json_t *parameters, struct err *e)
{
	struct varlink_call call = { .parameters = parameters };
	_cleanup_free_ char *text = NULL;
	size_t len;

	snprintf(call.method, sizeof(call.method), "io.reeve.net.%s", method);
	text = varlink_call_encode(&call, &len);
	return text ? conn_send(c, text, len, deadline_in(PATIENCE_MS), e)
		    : fail(e, ENOMEM, "out of memory");
}

int net_ask(const struct cli *cli, struct conn *c, const char *method, json_t *parameters,
	    json_t **ret)
{
	_cleanup_json_ json_t *mine = parameters;
	_cleanup_(varlink_reply_done) struct varlink_reply reply = { 0 };
	struct err e = { 0 };
	const char *text;
	size_t len;
	int r = send_call(c, method, mine, &e);

	if (r == 0)
		r = conn_recv(c, deadline_in(PATIENCE_MS), &text, &len, &e);
	if (r == 0)
		r = varlink_reply_decode(text, len, &reply, &e);
	if (r < 0)
		return cli_fail("%s", e.text);
	if (reply.error[0])
		return refused(cli, &reply);
	*ret = take_ptr(&reply.parameters);
	return EXIT_SUCCESS;
}

/* Adds the rows of a page to those before it, and takes its `next`. */
static int add_page(json_t **all, json_t *page, json_t *asked)
{
	json_t *next = json_incref(json_object_get(page, "next")), *rows;
	bool more = json_is_integer(next);
	const char *name;
	int r = 0;

	json_object_del(page, "next");
	if (!*all)
		*all = json_incref(page);
	else
		json_object_foreach(page, name, rows)
			r |= json_array_extend(json_object_get(*all, name), rows);
	if (more)
		r |= json_object_set(asked, "after", next);
	json_decref(next);
	return r < 0 ? r : more;
}

int net_ask_all(const struct cli *cli, const char *method, json_t *parameters, json_t **ret)
{
	_cleanup_json_ json_t *asked = parameters ?: json_object();
	_cleanup_conn_ struct conn c = { .fd = -1 };
	_cleanup_json_ json_t *all = NULL;
	int more = 1, status = net_open(cli, &c);

	while (!status && more) {
		_cleanup_json_ json_t *page = NULL;

		status = net_ask(cli, &c, method, json_deep_copy(asked), &page);
		if (status)
			return status;
		more = add_page(&all, page, asked);
		if (more < 0)
			return cli_fail("out of memory");
	}
	*ret = take_ptr(&all);
	return status;
}
