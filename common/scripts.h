/* scripts.h — the Lua scripts, embedded at build time by scripts/embed.sh. KEYS, ARGV and returns
 * stand at the head of each .lua file. A new script is a file there, a line here and a line in
 * meson.build. */
#ifndef SYNCDOC_SCRIPTS_H
#define SYNCDOC_SCRIPTS_H

#include "base.h"

struct script {
	const char *name;
	const char *text; /* NUL-terminated */
	size_t len;
	char sha1[41]; /* hex; empty until script_call() first needs it */
};

extern struct script script_answer;
extern struct script script_ask;
extern struct script script_changed;
extern struct script script_expire;
extern struct script script_find;
extern struct script script_gap;
extern struct script script_history;
extern struct script script_list;
extern struct script script_mark;
extern struct script script_presence_put;
extern struct script script_presence_reap;
extern struct script script_presence_remove;
extern struct script script_missed;
extern struct script script_purge;
extern struct script script_read_many;
extern struct script script_read_unless;
extern struct script script_revoke;
extern struct script script_services;
extern struct script script_write;

#endif
