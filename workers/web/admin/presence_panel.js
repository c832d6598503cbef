// presence_panel.js: who views and who edits a document; this page is one of them.
import { h } from './dom.js';
import { agoElement, plural, withoutTurns } from './format.js';

const SHOWN_MAX = 50;

// What applications put into `data` to be recognised by.
const nameOf = ({ data, userId }) => {
	const name = data?.name ?? data?.displayName ?? data?.label;
	return typeof name === 'string' && name ? name : userId;
};

export class PresencePanel {
	mode = 'viewing';

	constructor(realtime, { service, id }) {
		Object.assign(this, { realtime, service, id });
		this.list = h('ul', { class: 'people', 'aria-labelledby': 'presence-title' });
		this.count = h('span', { class: 'badge number' }, '…');
		this.fault = h('p', { class: 'fault card-body', hidden: true });
		this.element = h(
			'section',
			{ class: 'card', 'aria-labelledby': 'presence-title' },
			h('div', { class: 'card-head' }, h('h2', { id: 'presence-title' }, 'Presence'), this.count),
			this.list,
			this.fault,
		);
	}

	start() {
		this.stop = this.realtime.presence.on(this.service, this.id, change => this.#show(change.members));
		this.#tell(() => this.realtime.presence.join(this.service, this.id, { mode: this.mode, data: { name: 'Admin UI' } }));
		this.realtime.on('open', () => this.members && this.#show(this.members));
	}

	// 'viewing' or 'editing'
	setMode(mode) {
		if (mode === this.mode) return;
		this.mode = mode;
		this.#tell(() => this.realtime.presence.update(this.service, this.id, { mode }));
	}

	// Not to be seen is no reason not to see.
	async #tell(work) {
		try {
			await work();
			this.fault.hidden = true;
		} catch (error) {
			if (error.code === 'closed' || error.code === 'connection_lost' || error.code === 'offline') return;
			this.fault.hidden = false;
			this.count.hidden = this.members === undefined;
			this.fault.textContent = `This page is not shown to others: ${error.message}`;
		}
	}

	#show(members) {
		this.members = members;
		this.count.hidden = false;
		const own = this.realtime.connectionId;
		const sorted = [...members].sort(
			(a, b) =>
				(b.connectionId === own) - (a.connectionId === own) || (a.mode < b.mode ? -1 : a.mode > b.mode ? 1 : a.since - b.since),
		);
		this.count.textContent = String(new Set(members.map(member => member.userId)).size);
		this.list.replaceChildren(
			...sorted.slice(0, SHOWN_MAX).map(member => this.#person(member, member.connectionId === own)),
			...(sorted.length > SHOWN_MAX
				? [h('li', { class: 'muted small' }, `and ${plural(sorted.length - SHOWN_MAX, 'more connection')}`)]
				: []),
			...(sorted.length ? [] : [h('li', { class: 'muted' }, 'Nobody.')]),
		);
		// With nothing to press in it, the keyboard could not scroll it.
		this.list.tabIndex = this.list.scrollHeight > this.list.clientHeight ? 0 : -1;
	}

	#person(member, isOwn) {
		const name = withoutTurns(nameOf(member)),
			userId = withoutTurns(member.userId),
			// Without authentication the user is the connection.
			user = userId !== member.connectionId && userId !== name ? userId : '',
			isEditing = member.mode === 'editing';
		return h(
			'li',
			{ 'data-connection': member.connectionId, 'data-mode': member.mode },
			h('span', { class: `avatar ${isEditing ? 'editing' : ''}`, 'aria-hidden': 'true' }, [...name][0]?.toUpperCase() ?? '?'),
			h(
				'span',
				{ class: 'person' },
				h(
					'span',
					{ class: 'person-name', title: `${userId} (connection ${member.connectionId})` },
					name,
					user && h('span', { class: 'muted' }, ` ${user}`),
					isOwn && h('span', { class: 'muted' }, ' (you)'),
				),
				h('span', { class: 'muted small' }, 'joined ', agoElement(member.since)),
			),
			h('span', { class: `badge ${isEditing ? 'warn' : ''}` }, isEditing ? 'edits' : 'views'),
		);
	}
}
