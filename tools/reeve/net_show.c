/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "net.h"
#include "table.h"
#include "text.h"

static void say(const char *title, const char *text)
{
	printf("  %-12s ", title);
	text_print(stdout, text);
	putchar('\n');
}

static void say_addresses(const json_t *iface)
{
	const json_t *list = json_object_get(iface, "addresses"), *one;
	size_t i;

	json_array_foreach(list, i, one) {
		char address[TEXT_MAX], prefix[TEXT_MAX], line[2 * TEXT_MAX + 64];

		text_member(one, "address", address);
		text_member(one, "prefix", prefix);
		snprintf(line, sizeof(line), "%s/%s%s", address, prefix,
			 json_is_true(json_object_get(one, "shared"))
				 ? " (the kernel's, too: UDP ports only)"
				 : "");
		say("Address:", line);
	}
	list = json_object_get(iface, "gateways");
	json_array_foreach(list, i, one)
		say("Gateway:", json_string_value(one) ?: "-");
}

static void say_iface(const json_t *iface)
{
	static const struct {
		const char *title, *member;
	} lines[] = {
		{ "MAC:", "mac" }, { "MTU:", "mtu" }, { "State:", "state" }, { "XDP:", "mode" }
	};
	char text[TEXT_MAX];

	text_member(iface, "name", text);
	printf("%s\n", text);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		text_member(iface, lines[i].member, text);
		say(lines[i].title, text);
	}
	say_addresses(iface);
}

static int show_engines(const json_t *engines)
{
	static const struct column columns[] = { { "ENGINE", true },	{ "RX", true },
						 { "TX", true },	{ "FLOWS", true },
						 { "HALF OPEN", true }, { "RESENT", true },
						 { "TIMEOUTS", true },	{ "DAMAGED", true },
						 { "NO ROOM", true },	{ "RING FULL", true },
						 { "TRACED" } };
	static const char *const stack[] = { "flows",	 "half_open", "resent",
					     "timeouts", "damaged",   "no_room" };
	const json_t *engine;
	struct table t;
	size_t i;

	table_begin(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(engines, i, engine) {
		const json_t *port = json_object_get(engine, "port");

		table_member(&t, engine, "engine");
		table_member(&t, port, "rx_frames");
		table_member(&t, port, "tx_frames");
		for (size_t k = 0; k < ARRAY_SIZE(stack); k++)
			table_member(&t, json_object_get(engine, "stack"), stack[k]);
		table_member(&t, json_object_get(engine, "socket"), "rx_ring_full");
		table_member(&t, engine, "traced");
	}
	return table_end(&t);
}

int net_show_status(const json_t *reply)
{
	const json_t *list = json_object_get(reply, "interfaces"), *iface;
	json_int_t up = json_integer_value(json_object_get(reply, "uptime_ms"));
	char version[TEXT_MAX], pid[TEXT_MAX];
	int status = EXIT_SUCCESS;
	size_t i;

	text_member(reply, "version", version);
	text_member(reply, "pid", pid);
	printf("netd %s, pid %s, up %lld.%03lld s\n", version, pid, (long long)(up / 1000),
	       (long long)(up % 1000));
	json_array_foreach(list, i, iface) {
		putchar('\n');
		say_iface(iface);
		putchar('\n');
		if (json_array_size(json_object_get(iface, "engines")) &&
		    show_engines(json_object_get(iface, "engines")) != 0)
			status = 1;
	}
	return status;
}

/* A row for each of the list, of these members. */
static int show(const json_t *list, const struct column *columns, const char *const *members,
		size_t n)
{
	const json_t *row;
	struct table t;
	size_t i;

	table_begin(&t, columns, n);
	json_array_foreach(list, i, row)
		for (size_t k = 0; k < n; k++)
			table_member(&t, row, members[k]);
	return table_end(&t);
}

int net_show_flows(const json_t *reply)
{
	static const struct column columns[] = {
		{ "INTERFACE" },    { "ENGINE", true }, { "LOCAL" },	    { "PORT", true },
		{ "REMOTE" },	    { "PORT", true },	{ "STATE" },	    { "WINDOW", true },
		{ "QUEUED", true }, { "HELD", true },	{ "RTT NS", true }, { "RESENT", true }
	};
	static const char *const members[] = { "interface", "engine",	   "local",  "local_port",
					       "remote",    "remote_port", "state",  "window",
					       "queued",    "held",	   "rtt_ns", "resent" };

	return show(json_object_get(reply, "flows"), columns, members, ARRAY_SIZE(columns));
}

int net_show_neighbours(const json_t *reply)
{
	static const struct column columns[] = { { "INTERFACE" }, { "ENGINE", true },
						 { "ADDRESS" },	  { "MAC" },
						 { "STATE" },	  { "AGE MS", true } };
	static const char *const members[] = { "interface", "engine", "address",
					       "mac",	    "state",  "age_ms" };

	return show(json_object_get(reply, "neighbours"), columns, members, ARRAY_SIZE(columns));
}

int net_show_channels(const json_t *reply)
{
	static const struct column columns[] = {
		{ "NAME" },	     { "TENANT" },	   { "UID", true },    { "PID", true },
		{ "STATE" },	     { "INTERFACE" },	   { "ENGINE", true }, { "BYTES", true },
		{ "RATE", true },    { "BUFFERS", true },  { "FREE", true },   { "FLOWS", true },
		{ "LISTENS", true }, { "RECEIVED", true }, { "SENT", true },   { "DROPPED", true },
		{ "QUEUED", true },  { "HELD", true },	   { "STALLED" },      { "CHANNEL" }
	};
	static const char *const members[] = { "name",	    "tenant",	 "uid",	    "pid",
					       "state",	    "interface", "engine",  "bytes",
					       "rate",	    "buffers",	 "free",    "flows",
					       "listeners", "received",	 "sent",    "dropped",
					       "queued",    "held",	 "stalled", "channel" };

	return show(json_object_get(reply, "channels"), columns, members, ARRAY_SIZE(columns));
}
