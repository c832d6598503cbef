// presence.js: who is present according to the events a subscriber got, by the contract's rules (section 8).

export const presencePath = (service, id, member) => `/v1/services/${service}/documents/${id}/presence${member ? `/${member}` : ''}`;

// Applies events in order: {members: Map connectionId → member, count}.
export function viewOf(events, id) {
	const members = new Map();
	let count = 0;
	for (const { payload } of events.filter(event => event.topic.endsWith('.presence') && event.payload.documentId === id)) {
		for (const member of [...payload.joined, ...payload.updated])
			if (member.mode === null)
				members.delete(member.connectionId);
			else
				members.set(member.connectionId, member);
		for (const { userId } of payload.left)
			for (const member of [...members.values()])
				if (member.userId === userId)
					members.delete(member.connectionId);
		count = payload.count;
	}
	return { members, count };
}

export const presenceEvents = (client, id) => client.events.filter(event => event.topic.endsWith('.presence') && (!id || event.payload.documentId === id));

export async function listOver(client, service, documentId) {
	const answer = await client.request({ type: 'presence.list', service, documentId });
	if (answer.type !== 'result')
		throw new Error(answer.text);
	return answer;
}
