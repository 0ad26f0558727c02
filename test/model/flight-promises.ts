import { before, hold, nameOf, type History } from './history.js';

/** Nobody starts a flight for a key while another can be joined. */
export function oneAtATime(history: History): number {
  const starts = history.asks.filter(({ found, flight, caller }) => found !== undefined && flight === caller.started);
  for (const { caller, key, found } of starts) {
    hold(history.joinable(found!, key, caller.made) !== 'yes', () => {
      return `${caller.path} started a flight for key ${key} while ${found!.path} could be joined`;
    });
  }
  return starts.length;
}

/** Nobody joins a flight that is over. */
export function fresh(history: History): number {
  const follows = history.asks.filter(({ flight, caller }) => flight !== caller.started || flight === undefined);
  for (const { caller, key, flight } of follows) {
    hold(flight !== undefined, () => `${caller.path} neither started nor joined a flight for key ${key}`);
    hold(history.joinable(flight!, key, caller.made) !== 'no', () => {
      return `${caller.path} joined ${flight!.path} for key ${key} when that was over`;
    });
  }
  return follows.length;
}

/** A call from inside a function sees its flight, and a function that is over at once has freed its key. */
export function registeredFirst(history: History): number {
  let checked = 0;
  for (const { caller, key, found, flight } of history.asks) {
    const { path, inside, made } = caller;
    if (found === undefined) continue;
    if (found === inside && history.joinable(found, key, made) === 'yes') {
      checked++;
      hold(flight === found, () => `${path} did not see the flight in whose function it was made`);
    }
    if (before(found.over, made) && history.lingers(found, key, made) === 'no') {
      checked++;
      hold(flight !== found, () => `${path} joined ${found.path}, which was over at once`);
    }
  }
  return checked;
}

/** The end of a flight that its key has left disturbs none that was started meanwhile. */
export function removedByIdentity(history: History): number {
  let checked = 0;
  for (const { caller, key, found, flight } of history.asks) {
    if (found === undefined || history.joinable(found, key, caller.made) !== 'yes') continue;
    const disturbed = history.log.flights.some(
      ({ group, keys, started, ended }) =>
        group === found.group &&
        keys.includes(key) &&
        ended !== undefined &&
        before(started, found.started) &&
        before(found.started, ended.mark) &&
        before(ended.mark, caller.made),
    );
    if (!disturbed) continue;
    checked++;
    hold(flight === found, () => `${caller.path} did not find ${found.path} after the end of an older flight`);
  }
  return checked;
}

/** Once a caller knows how its flight ended, nobody joins that flight. */
export function freeBeforeAnybodyWakes(history: History): number {
  let checked = 0;
  for (const { caller, key, found, flight } of history.asks) {
    const { path, made } = caller;
    if (found === undefined || !history.stayed(found, key).some(({ mark }) => before(mark, made))) continue;
    if (history.lingers(found, key, made) !== 'no') continue;
    checked++;
    hold(flight !== found, () => `${path} joined ${found.path} when somebody knew already how that had ended`);
  }
  return checked;
}

/** A flight that can be stopped is stopped when nobody is aboard, then and only then, or when it was cut short. */
export function lastOneOut(history: History): number {
  let checked = 0;
  for (const flight of history.log.flights) {
    const { path, read, aborted, ended } = flight;
    const cut = history.cutOf(flight);
    const leaves = history.asksOf(flight).map(({ caller }) => history.left(caller));
    if (read === undefined) continue;
    if (nameOf(aborted?.reason) === 'AbandonedError') {
      checked++;
      const out = leaves.every((left) => left !== undefined && left.step <= aborted!.mark.step);
      hold(out, () => `${path} was stopped with somebody aboard`);
      hold(!before(ended?.mark, aborted!.mark), () => `${path} was stopped after its end`);
      continue;
    }
    hold(aborted !== undefined || cut === undefined, () => `${path} was cut short and its signal did not abort`);
    hold(nameOf(aborted?.reason) === cut?.error || aborted === undefined, () => `${path} was stopped for no reason`);
    if (leaves.some((left) => left === undefined)) continue;
    // Nobody was aboard from here on; unless it had ended by then, it should have been doomed.
    const last = [read, ...leaves.map((left) => left!)].reduce((one, other) => (other.step > one.step ? other : one));
    const over = (ended !== undefined && ended.mark.step <= last.step) || (cut !== undefined && cut.at <= last.at);
    hold(over, () => `${path} was not stopped although nobody was aboard`);
  }
  return checked;
}

/** Never do more functions run in a group, or more callers follow one flight, than it allows. */
export function boundsHold(history: History): number {
  let checked = 0;
  const { flights, groups } = history.log;
  for (const { group, path, started } of flights) {
    const { maxFlights } = groups[group]!;
    if (maxFlights === undefined) continue;
    checked++;
    const running = flights.filter(
      (other) =>
        other.group === group &&
        other.started.order <= started.order &&
        (other.ended === undefined || before(started, other.ended.mark)),
    );
    hold(running.length <= maxFlights, () => `${path} was one flight more than ${maxFlights}`);
  }
  for (const { caller, key, flight } of history.asks) {
    const { maxFollowers } = groups[caller.call.group]!;
    if (flight === undefined || maxFollowers === undefined) continue;
    checked++;
    if (before(flight.ended?.mark, caller.made)) continue;
    const aboard = history.asksOf(flight, key).filter((other) => {
      return other.caller.made.order <= caller.made.order && !before(history.left(other.caller), caller.made);
    });
    hold(aboard.length <= maxFollowers + 1, () => `${caller.path} was one follower more than ${maxFollowers}`);
  }
  return checked;
}

/** A group that is closed starts nothing. */
export function closedGroupsStartNothing({ log }: History): number {
  for (const [closed, { mark }] of log.closes) {
    for (const { group, path, started } of log.flights) {
      hold(group !== closed || !before(mark, started), () => `${path} was started in a group that was closed`);
    }
  }
  return log.closes.size;
}

/** Only a call for the key of the flight around it waits for itself here: all others are for higher keys, or can leave. */
export function noFalseAlarm({ log, asks }: History): number {
  for (const { path, call, keys, inside, refused } of log.callers) {
    if (nameOf(refused?.error) !== 'DeadlockError') continue;
    const own = inside?.group === call.group && keys.some((key) => inside.keys.includes(key));
    hold(own && log.groups[call.group]!.detectDeadlocks, () => `${path} would not have waited for itself`);
  }
  // Who waits for somebody who waits for somebody else.
  return asks.filter(({ caller, flight }) => {
    const { inside, call, started } = caller;
    if (inside === undefined || flight === started || !log.groups[call.group]!.detectDeadlocks) return false;
    return log.callers.some((inner) => inner.inside === flight && before(inner.made, caller.made));
  }).length;
}
