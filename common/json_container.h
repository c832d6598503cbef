/* json_container.h — what a node of a tree becomes when it is taken apart. Internal to json_tree.
 * Pure. */
#ifndef SYNCDOC_JSON_CONTAINER_H
#define SYNCDOC_JSON_CONTAINER_H

#include "json_elements.h"
#include "json_members.h"

struct json_container {
	bool is_array;
	union {
		struct json_elements elements;
		struct json_members members; /* else an object */
	};
};

#endif
