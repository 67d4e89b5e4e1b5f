// Which entry of `topics:` a topic falls under: the first that matches and does not exclude it.
import type { TopicSettings } from './settings.ts';

export type TopicRules = (topic: string) => TopicSettings | undefined;

/** Compiled once; answers are remembered, for a broker asks about each partition again and again. */
export function topicRules(entries: readonly TopicSettings[]): TopicRules {
  const compiled = entries.map((entry) => ({
    entry,
    match: pattern(entry.match),
    exclude: entry.exclude.map(pattern),
  }));
  const answers = new Map<string, TopicSettings | undefined>();
  return (topic) => {
    if (answers.has(topic)) return answers.get(topic);
    const found = compiled.find(
      ({ match, exclude }) =>
        match.test(topic) && !exclude.some((excluded) => excluded.test(topic)),
    );
    answers.set(topic, found?.entry);
    return found?.entry;
  };
}

/** `*` stands for any characters; everything else for itself. */
function pattern(text: string): RegExp {
  const parts = text
    .split('*')
    .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('.*')}$`);
}
