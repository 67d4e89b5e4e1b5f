// Java class paths from Maven coordinates, resolved once into `.cache/`.
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { cachePath, contentKey, once, withLock } from './cache.ts';
import { runToEnd } from './processes.ts';

export interface MavenArtifact {
  /** `group:artifact:version` or `group:artifact:version:classifier`. */
  readonly coordinate: string;
  /** Transitive dependencies left out, as `group:artifact`. */
  readonly without?: readonly string[];
}

const COPY_GOAL = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies';
const ATTEMPTS = 2;

/**
 * A directory with the artifacts' jars and all they need at run time; its class path is `<directory>/*`.
 * The first call for a list needs the network (or a warm ~/.m2), the later ones nothing.
 */
export async function mavenJars(
  name: string,
  artifacts: readonly MavenArtifact[],
): Promise<string> {
  const pom = pomOf(artifacts);
  return once(`jars-${name}`, contentKey(pom), async (directory) => {
    // Maven 3's local repository is not made for two writers.
    await withLock(cachePath('maven.lock'), () => copyDependencies(name, pom, directory));
  });
}

async function copyDependencies(name: string, pom: string, directory: string): Promise<void> {
  const work = `${directory}.maven`;
  await fs.mkdir(work, { recursive: true });
  await fs.writeFile(join(work, 'pom.xml'), pom);
  try {
    await maven(work, [COPY_GOAL, '-DincludeScope=runtime', `-DoutputDirectory=${directory}`]);
    const jars = (await fs.readdir(directory)).filter((file) => file.endsWith('.jar'));
    if (jars.length === 0) throw new Error(`Maven found no jars for ${name}`);
  } finally {
    await fs.rm(work, { recursive: true, force: true });
  }
}

/** Runs Maven in `directory`; tried once more when it fails, as mirrors do at times. */
export async function maven(directory: string, args: readonly string[]): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await runToEnd({
        name: `mvn ${args[0]}`,
        command: 'mvn',
        args: ['-q', '-B', ...args],
        cwd: directory,
        logFile: join(directory, 'maven.log'),
        env: { MAVEN_OPTS: '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC' },
      });
      return;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

function pomOf(artifacts: readonly MavenArtifact[]): string {
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>logtier</groupId><artifactId>testbed</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
${artifacts.map(dependencyOf).join('\n')}
</dependencies>
</project>
`;
}

function dependencyOf(artifact: MavenArtifact): string {
  const [group, id, version, classifier] = artifact.coordinate.split(':');
  const exclusions = (artifact.without ?? []).map((excluded) => {
    const [excludedGroup, excludedId] = excluded.split(':');
    return `<exclusion><groupId>${excludedGroup}</groupId><artifactId>${excludedId}</artifactId></exclusion>`;
  });
  return `<dependency><groupId>${group}</groupId><artifactId>${id}</artifactId><version>${version}</version>${
    classifier === undefined ? '' : `<classifier>${classifier}</classifier>`
  }<exclusions>${exclusions.join('')}</exclusions></dependency>`;
}
