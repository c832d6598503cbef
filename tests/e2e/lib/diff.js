// diff.js: diffs applied by what the contract says about them (section 5), written from the text and not from the C code.

// `a.b\.c` → ['a', 'b.c']
export function splitPath(path) {
	const names = [''];
	for (let i = 0; i < path.length; i++) {
		if (path[i] === '\\') names[names.length - 1] += path[++i];
		else if (path[i] === '.') names.push('');
		else names[names.length - 1] += path[i];
	}
	return names;
}

function set(object, name, value) {
	// `__proto__` is a member like any other
	Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

function find(data, path) {
	const names = splitPath(path);
	const last = names.pop();
	let at = data;
	for (const name of names) {
		if (at === null || typeof at !== 'object' || !Object.hasOwn(at, name))
			throw new Error(`the diff's path ${JSON.stringify(path)} is not in the document`);
		at = at[name];
	}
	return { parent: at, name: last };
}

function remove(data, path) {
	const { parent, name } = find(data, path);
	if (!Object.hasOwn(parent, name)) throw new Error(`removed ${JSON.stringify(path)} was not there`);
	if (Array.isArray(parent)) {
		if (Number(name) !== parent.length - 1)
			throw new Error(`removal of ${JSON.stringify(path)} is not at the array's end`);
		parent.pop();
	} else {
		delete parent[name];
	}
}

export function applyDiff(data, diff) {
	const result = JSON.parse(JSON.stringify(data));
	if (Object.keys(diff).sort().join() !== 'added,changed,removed')
		throw new Error(`a diff has added, removed and changed: ${JSON.stringify(diff)}`);
	for (const path of diff.removed) remove(result, path);
	for (const [path, { to }] of Object.entries(diff.changed)) {
		const { parent, name } = find(result, path);
		if (!Object.hasOwn(parent, name)) throw new Error(`changed ${JSON.stringify(path)} is not there`);
		set(parent, name, to);
	}
	for (const [path, value] of Object.entries(diff.added)) {
		const { parent, name } = find(result, path);
		if (Object.hasOwn(parent, name) || (Array.isArray(parent) && Number(name) !== parent.length))
			throw new Error(`added ${JSON.stringify(path)} has no place`);
		set(parent, name, value);
	}
	return result;
}
