// How much of the outside may one Canary use at one time? Its list is worked off by a few, in order: a manifest with hundreds of entries must not open hundreds of connections.

const AT_ONCE = 8;

/** As Promise.all of `task` over the items, a few at a time; after a rejection nothing new begins. */
export async function inTurns<T, R>(items: readonly T[], task: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const waiting = items.entries();
  let broken = false;
  const work = async (): Promise<void> => {
    for (const [index, item] of waiting) {
      if (broken) return;
      results[index] = await task(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, () => work().catch((error: unknown) => {
    broken = true;
    throw error;
  })));
  return results;
}
