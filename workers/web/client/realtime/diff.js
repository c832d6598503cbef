// diff.js: diffs applied, the other way round of the server's diff: applyDiff(old, diff(old, new)) equals new.

// 'a.b\.c' → ['a', 'b.c']
export function splitPath(path) {
	const names = [''];
	for (let i = 0; i < path.length; i++) {
		if (path[i] === '.') names.push('');
		else names[names.length - 1] += path[i] === '\\' ? path[++i] ?? '' : path[i];
	}
	return names;
}

// ['a', 'b.c'] → 'a.b\.c'
export function joinPath(names) {
	return names.map(name => String(name).replace(/[\\.]/g, '\\$&')).join('.');
}

const isContainer = value => value !== null && typeof value === 'object';
const has = (object, name) => Object.prototype.hasOwnProperty.call(object, name);

// `__proto__` is a member like any other.
function put(object, name, value) {
	Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

function misfit(path, why) {
	return new RangeError(`the diff does not fit the data: ${JSON.stringify(path)} ${why}`);
}

// Copies only what lies on the way to a change; all else is shared between old and new data.
class Change {
	#owned = new Set(); // copies made by this change

	constructor(data) {
		this.data = this.#own(data);
	}

	#own(container) {
		if (this.#owned.has(container)) return container;
		const copy = Array.isArray(container) ? container.slice() : { ...container };
		this.#owned.add(copy);
		return copy;
	}

	parentOf(path) {
		const names = splitPath(path), name = names.pop();
		let at = this.data;
		for (const step of names) {
			if (!has(at, step) || !isContainer(at[step])) throw misfit(path, 'has no parent');
			const child = this.#own(at[step]);
			put(at, step, child);
			at = child;
		}
		return { parent: at, name };
	}

	remove(path) {
		const { parent, name } = this.parentOf(path);
		if (!has(parent, name)) throw misfit(path, 'is not there to be removed');
		if (!Array.isArray(parent)) delete parent[name];
		else if (name === String(parent.length - 1)) parent.pop();
		else throw misfit(path, 'is not the last item');
	}

	change(path, value) {
		const { parent, name } = this.parentOf(path);
		if (!has(parent, name) || (Array.isArray(parent) && name === 'length')) throw misfit(path, 'is not there to be changed');
		put(parent, name, value);
	}

	add(path, value) {
		const { parent, name } = this.parentOf(path);
		if (Array.isArray(parent)) {
			if (name !== String(parent.length)) throw misfit(path, 'is not the next item');
			parent.push(value);
		} else {
			if (has(parent, name)) throw misfit(path, 'is there already');
			put(parent, name, value);
		}
	}
}

// New data; `data` stays as it is, and parts that did not change are shared with it. RangeError: the diff was made against other data.
export function applyDiff(data, { added = {}, removed = [], changed = {} }) {
	const change = new Change(data);
	for (const path of removed) change.remove(path);
	for (const [path, { to }] of Object.entries(changed)) change.change(path, to);
	for (const [path, value] of Object.entries(added)) change.add(path, value);
	return change.data;
}
