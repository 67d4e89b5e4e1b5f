import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The Kafka client of the tests: one long-lived JVM, one JSON object a line.
 * In: {"id", "op", ...arguments}. Out: {"id", "result"} or {"id", "error"}; answers come in any order.
 */
public final class KafkaWorkload {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int REQUEST_TIMEOUT_MS = 5_000;
    private static final int METADATA_AGE_MS = 3_000;
    private static final Duration POLL = Duration.ofMillis(200);

    private interface Operation {
        Object run(JsonNode args) throws Exception;
    }

    private final Map<String, Operation> operations = new HashMap<>();
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new ConcurrentHashMap<>();
    private final String bootstrap;
    private final Admin admin;

    private KafkaWorkload(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(settings(Map.of("client.id", "workload-admin")));
        operations.put("createTopic", this::createTopic);
        operations.put("deleteTopic", args -> await(admin.deleteTopics(Set.of(topic(args))).all()));
        operations.put("createPartitions", this::createPartitions);
        operations.put("alterTopicConfig", this::alterTopicConfig);
        operations.put("describeTopic", this::describeTopic);
        operations.put("produce", this::produce);
        operations.put("produceTransaction", this::produceTransaction);
        operations.put("deleteRecords", this::deleteRecords);
        operations.put("consume", this::consume);
        operations.put("offset", this::offset);
        operations.put("electLeader", this::electLeader);
        operations.put("reassign", this::reassign);
        operations.put("moveLogDir", this::moveLogDir);
    }

    /** With `load` as its first argument it only touches the classes a run needs, for the class archive. */
    public static void main(String[] args) throws IOException {
        PrintStream out = System.out;
        KafkaWorkload workload = new KafkaWorkload(args[0]);
        if (args.length > 1) {
            workload.touchClasses();
            System.exit(0);
        }
        ExecutorService workers = Executors.newCachedThreadPool();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode request = JSON.readTree(line);
            workers.execute(() -> answer(out, workload, request));
        }
        System.exit(0);
    }

    private static void answer(PrintStream out, KafkaWorkload workload, JsonNode request) {
        ObjectNode answer = JSON.createObjectNode();
        answer.set("id", request.get("id"));
        try {
            Object result = workload.operations.get(request.get("op").asText()).run(request);
            answer.set("result", JSON.valueToTree(result));
        } catch (Throwable thrown) {
            Throwable cause = thrown instanceof ExecutionException ? thrown.getCause() : thrown;
            answer.put("error", cause.getClass().getSimpleName() + ": " + cause.getMessage());
        }
        synchronized (out) {
            out.println(answer);
            out.flush();
        }
    }

    private Object createTopic(JsonNode args) throws Exception {
        NewTopic topic = new NewTopic(topic(args), args.get("partitions").asInt(), (short) args.get("replication").asInt());
        Map<String, String> configs = new HashMap<>();
        args.get("configs").fields().forEachRemaining(entry -> configs.put(entry.getKey(), entry.getValue().asText()));
        return admin.createTopics(Set.of(topic.configs(configs))).topicId(topic.name()).get().toString();
    }

    private Object createPartitions(JsonNode args) throws Exception {
        NewPartitions wanted = NewPartitions.increaseTo(args.get("partitions").asInt());
        return await(admin.createPartitions(Map.of(topic(args), wanted)).all());
    }

    /** A null value takes the setting back to the broker's default. */
    private Object alterTopicConfig(JsonNode args) throws Exception {
        List<AlterConfigOp> changes = new ArrayList<>();
        args.get("configs").fields().forEachRemaining(entry -> {
            boolean unset = entry.getValue().isNull();
            changes.add(new AlterConfigOp(
                new ConfigEntry(entry.getKey(), unset ? null : entry.getValue().asText()),
                unset ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET));
        });
        Map<ConfigResource, Collection<AlterConfigOp>> all =
            Map.of(new ConfigResource(ConfigResource.Type.TOPIC, topic(args)), changes);
        return await(admin.incrementalAlterConfigs(all).all());
    }

    private Object describeTopic(JsonNode args) throws Exception {
        TopicDescription topic = admin.describeTopics(Set.of(topic(args))).allTopicNames().get().get(topic(args));
        List<Map<String, Object>> partitions = new ArrayList<>();
        for (TopicPartitionInfo info : topic.partitions()) {
            Map<String, Object> partition = new HashMap<>();
            partition.put("partition", info.partition());
            partition.put("leader", info.leader() == null ? -1 : info.leader().id());
            partition.put("replicas", ids(info.replicas()));
            partition.put("isr", ids(info.isr()));
            partitions.add(partition);
        }
        return Map.of("topicId", topic.topicId().toString(), "partitions", partitions);
    }

    private Object produce(JsonNode args) throws Exception {
        return send(producer(args, null), args).summary();
    }

    private Object produceTransaction(JsonNode args) throws Exception {
        String transactionalId = args.get("transactionalId").asText();
        KafkaProducer<byte[], byte[]> producer = producer(args, transactionalId);
        try {
            producer.beginTransaction();
            SentRecords sent = send(producer, args);
            if (args.get("outcome").asText().equals("commit")) producer.commitTransaction();
            else producer.abortTransaction();
            return sent.summary();
        } catch (Exception failed) {
            producers.values().remove(producer);
            producer.close(Duration.ZERO);
            throw failed;
        }
    }

    private SentRecords send(KafkaProducer<byte[], byte[]> producer, JsonNode args) throws Exception {
        WorkloadContent content = new WorkloadContent(args.get("seed").asInt(), topic(args), args.get("partition").asInt(),
            args.get("valueBytes").asInt(), args.get("firstTimestampMs").asLong());
        long start = args.get("startIndex").asLong();
        long end = start + args.get("count").asLong();
        long flushEvery = args.get("flushEvery").asLong();
        SentRecords sent = new SentRecords();
        for (long index = start; index < end && !sent.hasFailed(); index += 1) {
            producer.send(content.record(index), sent);
            if (flushEvery > 0 && (index + 1 - start) % flushEvery == 0) producer.flush();
        }
        producer.flush();
        sent.requireAll();
        return sent;
    }

    private KafkaProducer<byte[], byte[]> producer(JsonNode args, String transactionalId) {
        String codec = args.get("codec").asText();
        long lingerMs = args.get("lingerMs").asLong();
        int batchBytes = args.get("batchBytes").asInt();
        String key = String.join("/", codec, "" + lingerMs, "" + batchBytes, "" + transactionalId);
        return producers.computeIfAbsent(key, missing -> {
            Map<String, Object> settings = settings(Map.of("acks", "all", "enable.idempotence", true, "compression.type", codec,
                "linger.ms", lingerMs, "batch.size", batchBytes, "max.request.size", 16 << 20, "buffer.memory", 96L << 20));
            if (transactionalId != null) settings.put("transactional.id", transactionalId);
            KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
            if (transactionalId != null) producer.initTransactions();
            return producer;
        });
    }

    private Object deleteRecords(JsonNode args) throws Exception {
        RecordsToDelete before = RecordsToDelete.beforeOffset(args.get("beforeOffset").asLong());
        return admin.deleteRecords(Map.of(partition(args), before)).lowWatermarks().get(partition(args)).get().lowWatermark();
    }

    /** Reads `count` records; fails when none comes for `idleMs`. */
    private Object consume(JsonNode args) throws Exception {
        long count = args.get("count").asLong();
        long idleMs = args.get("idleMs").asLong();
        WorkloadContent.Digest digest = new WorkloadContent.Digest();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(args.get("isolation").asText())) {
            consumer.assign(Set.of(partition(args)));
            consumer.seek(partition(args), args.get("fromOffset").asLong());
            long heardMs = System.nanoTime() / 1_000_000;
            while (digest.count() < count) {
                long before = digest.count();
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
                    if (digest.count() < count) digest.add(record);
                }
                long nowMs = System.nanoTime() / 1_000_000;
                if (digest.count() > before) heardMs = nowMs;
                else if (nowMs - heardMs > idleMs) {
                    throw new IllegalStateException("got " + before + " of " + count + " records, then none for " + idleMs
                        + " ms; position " + consumer.position(partition(args)));
                }
            }
        }
        return digest.summary();
    }

    private KafkaConsumer<byte[], byte[]> consumer(String isolation) {
        Map<String, Object> settings = settings(Map.of("isolation.level", isolation, "auto.offset.reset", "none",
            "enable.auto.commit", false, "max.partition.fetch.bytes", 8 << 20, "max.poll.records", 10_000));
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private Object offset(JsonNode args) throws Exception {
        OffsetSpec which = switch (args.get("which").asText()) {
            case "earliest" -> OffsetSpec.earliest();
            case "latest" -> OffsetSpec.latest();
            case "earliestLocal" -> OffsetSpec.earliestLocal();
            case "latestTiered" -> OffsetSpec.latestTiered();
            default -> OffsetSpec.forTimestamp(Long.parseLong(args.get("which").asText()));
        };
        return admin.listOffsets(Map.of(partition(args), which)).partitionResult(partition(args)).get().offset();
    }

    private Object electLeader(JsonNode args) throws Exception {
        ElectionType type = args.get("unclean").asBoolean() ? ElectionType.UNCLEAN : ElectionType.PREFERRED;
        return await(admin.electLeaders(type, Set.of(partition(args))).all());
    }

    private Object reassign(JsonNode args) throws Exception {
        List<Integer> replicas = new ArrayList<>();
        args.get("replicas").forEach(id -> replicas.add(id.asInt()));
        Optional<NewPartitionReassignment> wanted = Optional.of(new NewPartitionReassignment(replicas));
        return await(admin.alterPartitionReassignments(Map.of(partition(args), wanted)).all());
    }

    private Object moveLogDir(JsonNode args) throws Exception {
        TopicPartitionReplica replica =
            new TopicPartitionReplica(topic(args), args.get("partition").asInt(), args.get("broker").asInt());
        return await(admin.alterReplicaLogDirs(Map.of(replica, args.get("logDir").asText())).all());
    }

    /** A paused broker keeps its connections: half a minute of Kafka's default patience is too long for a test. */
    private Map<String, Object> settings(Map<String, Object> own) {
        Map<String, Object> all = new HashMap<>(own);
        all.put("bootstrap.servers", bootstrap);
        all.put("request.timeout.ms", REQUEST_TIMEOUT_MS);
        all.put("reconnect.backoff.max.ms", 500);
        // A client that met only one broker in service must hear of the others before that one is paused or killed.
        all.put("metadata.max.age.ms", METADATA_AGE_MS);
        all.put("metadata.recovery.rebootstrap.trigger.ms", METADATA_AGE_MS);
        return all;
    }

    private void touchClasses() {
        JSON.valueToTree(Map.of("count", new WorkloadContent.Digest().summary()));
        consumer("read_committed").close(Duration.ZERO);
        new KafkaProducer<>(settings(Map.of()), new ByteArraySerializer(), new ByteArraySerializer())
            .close(Duration.ZERO);
        new WorkloadContent(1, "t", 0, 16, 0).record(2);
        admin.close(Duration.ZERO);
    }

    private static String topic(JsonNode args) {
        return args.get("topic").asText();
    }

    private static TopicPartition partition(JsonNode args) {
        return new TopicPartition(topic(args), args.get("partition").asInt());
    }

    private static List<Integer> ids(List<Node> nodes) {
        return nodes.stream().map(Node::id).toList();
    }

    private static Object await(Future<?> future) throws Exception {
        future.get();
        return null;
    }
}
