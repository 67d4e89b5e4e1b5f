/** One call in flight per key: who comes meanwhile joins it. Nothing is kept once it has settled. */
export class SingleFlight<T> {
  private readonly flights = new Map<string, Promise<T>>();

  get inFlight(): number {
    return this.flights.size;
  }

  run(key: string, load: () => Promise<T>): Promise<T> {
    const joined = this.flights.get(key);
    if (joined !== undefined) return joined;
    const flight = load().finally(() => {
      this.flights.delete(key);
    });
    this.flights.set(key, flight);
    return flight;
  }
}
