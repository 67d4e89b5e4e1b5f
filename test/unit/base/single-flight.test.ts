import { expect, test } from 'vitest';
import { SingleFlight } from '../../../src/base/single-flight.ts';

test('who asks for the same key meanwhile joins the flight', async () => {
  const flights = new SingleFlight<number>();
  const loads: string[] = [];
  const load = (name: string) => () => {
    loads.push(name);
    return Promise.resolve(loads.length);
  };
  const answers = [
    flights.run('a', load('first')),
    flights.run('a', load('joined')),
    flights.run('b', load('other')),
  ];
  expect(flights.inFlight).toBe(2);
  expect(await Promise.all(answers)).toEqual([1, 1, 2]);
  expect(loads).toEqual(['first', 'other']);
});

test('nothing is kept once a flight has landed, well or not', async () => {
  const flights = new SingleFlight<number>();
  await expect(flights.run('a', () => Promise.reject(new Error('lost')))).rejects.toThrow('lost');
  expect(flights.inFlight).toBe(0);
  expect(await flights.run('a', () => Promise.resolve(2))).toBe(2);
});
