// emitter.js: named events. A listener that throws, or whose promise is rejected, never keeps the others from being called.

// 'sync.*.updated' against 'sync.session.updated': `*` stands for one part, alone for any topic.
export function topicMatches(pattern, topic) {
	if (pattern === '*' || pattern === topic) return true;
	const wanted = pattern.split('.'), parts = topic.split('.');
	return wanted.length === parts.length && wanted.every((part, i) => part === '*' || part === parts[i]);
}

const EVENT = 'event:';

function nameMatches(pattern, name) {
	return pattern.startsWith(EVENT) && name.startsWith(EVENT) && topicMatches(pattern.slice(EVENT.length), name.slice(EVENT.length));
}

export class Emitter {
	#listeners = new Map(); // name → Set of {listener, once}
	#patterns = 0; // names with a `*`

	// Returns a function that takes the listener off again.
	on(name, listener) {
		return this.#add(name, listener, false);
	}

	once(name, listener) {
		return this.#add(name, listener, true);
	}

	// Without a listener: all of that name.
	off(name, listener) {
		const entries = this.#listeners.get(name);
		if (!entries) return;
		for (const entry of [...entries]) if (!listener || entry.listener === listener) this.#remove(name, entry);
	}

	// How many would be called for that name.
	listenerCount(name) {
		return this.#entriesOf(name).length;
	}

	#add(name, listener, once) {
		if (typeof name !== 'string' || typeof listener !== 'function') throw new TypeError('on(name, listener): a text and a function');
		if (!this.#listeners.has(name)) {
			this.#listeners.set(name, new Set());
			if (name.includes('*')) this.#patterns++;
		}
		const entry = { listener, once };
		this.#listeners.get(name).add(entry);
		return () => this.#remove(name, entry);
	}

	#remove(name, entry) {
		const entries = this.#listeners.get(name);
		if (!entries?.delete(entry) || entries.size) return;
		this.#listeners.delete(name);
		if (name.includes('*')) this.#patterns--;
	}

	#entriesOf(name) {
		const found = [...(this.#listeners.get(name) ?? [])].map(entry => [name, entry]);
		if (this.#patterns && name.startsWith(EVENT))
			for (const [pattern, entries] of this.#listeners)
				if (pattern.includes('*') && pattern !== name && nameMatches(pattern, name)) for (const entry of entries) found.push([pattern, entry]);
		return found;
	}

	// Listeners added or taken off meanwhile do not change this round.
	emit(name, ...values) {
		for (const [pattern, entry] of this.#entriesOf(name)) {
			if (entry.once) this.#remove(pattern, entry);
			const failed = error => this.listenerFailed(error, name);
			try {
				const result = entry.listener(...values);
				if (typeof result?.then === 'function') result.then(undefined, failed);
			} catch (error) {
				failed(error);
			}
		}
	}

	// Classes may send it elsewhere. An 'error' listener that throws must not be asked about it again.
	listenerFailed(error, name) {
		if (name !== 'error' && this.listenerCount('error')) this.emit('error', error);
		else console.error(`syncdoc: a listener of '${name}' failed`, error);
	}
}
