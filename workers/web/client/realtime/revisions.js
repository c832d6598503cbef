// revisions.js: the last revision seen of each document; of the most recent ones, when there are too many.

// A document that was purged, or that a failover took back, counts anew; its times go on.
export function isNewer({ revision, updatedAt }, held) {
	return !held || revision > held.revision || updatedAt > held.updatedAt;
}

export class Revisions {
	#seen = new Map(); // 'service:id' → {revision, updatedAt}, least recently changed first

	constructor(max) {
		this.max = max;
	}

	static key(service, id) {
		return `${service}:${id}`;
	}

	// Of that service and id; '*': of all services, undefined: of all documents.
	static isOf(key, service, id) {
		const at = key.indexOf(':'); // the first one: services have none
		return (service === '*' || service === key.slice(0, at)) && (id === undefined || id === key.slice(at + 1));
	}

	get(key) {
		return this.#seen.get(key);
	}

	set(key, { revision, updatedAt }) {
		this.#seen.delete(key);
		this.#seen.set(key, { revision, updatedAt });
		if (this.#seen.size > this.max) this.#seen.delete(this.#seen.keys().next().value);
	}

	delete(key) {
		this.#seen.delete(key);
	}

	// Those whose key fits.
	forget(fits) {
		for (const key of [...this.#seen.keys()]) if (fits(key)) this.#seen.delete(key);
	}
}
