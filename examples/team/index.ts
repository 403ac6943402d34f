export { teamEvents } from './events.ts';
export type { Report, TeamBus } from './events.ts';
export { recall } from './recall.ts';
export type { Recall } from './recall.ts';
export { rebuild, startTeam } from './team.ts';
export type { Progress, Team, TeamOptions, TeamResult } from './team.ts';
