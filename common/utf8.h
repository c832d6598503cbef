/* utf8.h — UTF-8 (RFC 3629) checked piece by piece, for text that arrives in fragments. Pure. */
#ifndef SYNCDOC_UTF8_H
#define SYNCDOC_UTF8_H

#include "base.h"

/* All zero is the start state. The bounds of the next continuation byte keep out overlong forms,
 * surrogates and what is above U+10FFFF at the first byte that shows it. */
struct utf8 {
	uint8_t left; /* continuation bytes still to come; 0: a character may begin, or the text end
		       */
	uint8_t low;
	uint8_t high;
};

/* False as soon as no further bytes could make the text valid; then the state is of no more use. */
bool utf8_feed(struct utf8 *utf8, struct span bytes);
/* The same for a text that is all there. */
bool utf8_is_valid(struct span text);
/* Bytes of the character that `text`, not empty, begins with; 0: none that is valid. */
size_t utf8_char_len(struct span text);

#endif
