/* redis_feed.c — large commands go to hiredis in pieces.
 *
 * After each write that the socket did not take as a whole hiredis moves the rest of its output to
 * the front. With one piece at a time there that is nothing; with the writes of some documents of
 * 1 MB it was half of a worker's time, and more than their number. */
#include "redis_link.h"

#define PIECE 262144 /* no less than a unix socket takes at once */
#define FIRST_MIN 64 /* hiredis reads the command's name from the first piece */

bool feed_is_due(const struct redis *redis, size_t len)
{
	return redis->feeding || len > PIECE;
}

void feed_more(struct redis *redis)
{
	size_t room = PIECE;

	while (redis->feeding && room) {
		struct command *command = redis->feeding;
		size_t left = command->rest->len - command->fed, len = left < room ? left : room;

		if (!command->fed && len < left && len < FIRST_MIN)
			return;
		if (!link_write_piece(redis, span_of(command->rest->at + command->fed, len),
				      !command->fed))
			return; /* the loss will be told soon */
		command->fed += len;
		room -= len;
		if (command->fed < command->rest->len)
			continue;
		redis->feeding = command->next;
		text_put(command->rest);
		command->rest = NULL;
	}
}

void feed_begin(struct redis *redis, struct command *command, struct text *text)
{
	command->rest = text;
	command->fed = 0;
	if (redis->feeding)
		return;
	redis->feeding = command;
	feed_more(redis);
}
