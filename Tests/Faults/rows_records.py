"""Rows of the fault matrix about records and models: odd records, slow and failing models, dead
letters that cannot be written."""
import collections
import time

import numpy
import onnx
import onnxruntime
from brokers import scratch, wait_until
from confluent_kafka import Producer
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation,
                                   AclPermissionType, AdminClient, ResourcePatternType,
                                   ResourceType)
from onnx import TensorProto, helper

import bench_data
import origin
import records
from records import Record
from scenario import SESSION_SECONDS, Run, pause
from table import row

CODECS = "none", "gzip", "snappy", "lz4", "zstd"
SLOW_SECONDS = 8
POLL_MS = 5_000
FIELDS = len(bench_data.FIELDS)


def model_of(path):
    """The model of a pipeline; its output `probabilities` has two columns."""
    return {"file": str(path), "inputs": {"features": bench_data.FIELDS}}


def save_model(name, nodes, initializers):
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, FIELDS])
    found = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])
    graph = helper.make_graph(nodes, name, [features], [found], initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    path = scratch() / f"{name}.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def tensor(name, kind, values):
    array = numpy.asarray(values, dtype=kind)
    return onnx.numpy_helper.from_array(array, name)


# 13: a slow model

def slow_model(turns):
    """Multiplies a 400 x 400 matrix with itself that often, whatever the batch; its predictions are
    the first two features."""
    square = tensor("square", numpy.float32, numpy.full((400, 400), 1 / 400))
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]),
         helper.make_node("MatMul", ["state", "square"], ["next"])],
        "turn",
        [helper.make_tensor_value_info("turn", TensorProto.INT64, []),
         helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("state", TensorProto.FLOAT, [400, 400])],
        [helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("next", TensorProto.FLOAT, [400, 400])])
    nodes = [
        helper.make_node("ReduceMean", ["features"], ["mean"], axes=[0, 1], keepdims=1),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["square", "nothing"], ["begin"]),
        helper.make_node("Loop", ["turns", "yes", "begin"], ["end"], body=body),
        helper.make_node("ReduceMean", ["end"], ["last"], axes=[0, 1], keepdims=1),
        helper.make_node("Mul", ["last", "zero"], ["still_nothing"]),
        helper.make_node("Slice", ["features", "from", "to", "axis"], ["two"]),
        helper.make_node("Add", ["two", "still_nothing"], ["probabilities"])]
    return save_model(f"slow-{turns}", nodes, [
        square, tensor("zero", numpy.float32, [[0]]), tensor("turns", numpy.int64, turns),
        tensor("yes", numpy.bool_, True), tensor("from", numpy.int64, [0]),
        tensor("to", numpy.int64, [2]), tensor("axis", numpy.int64, [1])])


def slow_for(seconds):
    """A model whose call takes about as long."""
    def took(turns):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(slow_model(turns)), options,
                                               providers=["CPUExecutionProvider"])
        begun = time.monotonic()
        session.run(None, {"features": numpy.ones((1, FIELDS), numpy.float32)})
        return time.monotonic() - begun
    took(10)
    return slow_model(max(1, int(seconds / (took(200) / 200))))


@row("13", "model slower than max.poll.interval.ms")
def slow_engine(setting):
    """A call takes 8 s, the interval is 5 s: the worker must stay in the group."""
    with Run(setting) as run:
        run.known = False
        run.load(1_200)
        kafka = {"consumer": {"max.poll.interval.ms": str(POLL_MS)}}
        if setting.protocol != "consumer":
            kafka["consumer"]["session.timeout.ms"] = "4000"
        if setting.is_once:
            # Longer than a batch takes; a batch is scored while no transaction waits for it.
            kafka["producer"] = {"transaction.timeout.ms": "20000"}
        worker = run.start(kafka=kafka, model=model_of(slow_for(SLOW_SECONDS)),
                           append={"score": "probabilities[1]"})
        run.faults += 1
        worker.wait_metric("millrace_assigned_partitions", run.partitions)
        lost = 0
        while (run.done() or 0) < 1:
            run.look_after()
            owned = worker.metric("millrace_assigned_partitions")
            lost += owned is not None and owned < run.partitions
            pause(0.2)
        text = worker.stderr
        result = run.finish(bound_faults=None)
        result.note = f"{result.duplicates} came twice"
        result.require("max.poll" not in text, "the interval was exceeded")
        return result.require(lost == 0, f"partitions were away {lost} times")


# 14: a model that fails

def hour_nodes(last, *more):
    """A model's nodes and numbers: of /hour alone, then the last nodes."""
    first = helper.make_node("Slice", ["features", "from", "to", "axis"], ["hour"])
    return [first, *last], [
        tensor("from", numpy.int64, [1]), tensor("to", numpy.int64, [2]),
        tensor("axis", numpy.int64, [1]), *more]


def gather_model():
    """A look-up by /hour in a table of 23 rows: records of hour 23 make the whole call fail."""
    table = tensor("table", numpy.float32, [[hour / 32, hour / 64] for hour in range(23)])
    return save_model("gather", *hour_nodes(
        [helper.make_node("Squeeze", ["hour", "axis"], ["flat"]),
         helper.make_node("Cast", ["flat"], ["index"], to=TensorProto.INT64),
         helper.make_node("Gather", ["table", "index"], ["probabilities"])], table))


@row("14", "model fails on one record in some thirty")
def failing_engine(setting):
    with Run(setting, dead=True) as run:
        run.known = False
        run.read_beside()
        count = min(setting.records, 20_000)
        run.load(count)
        run.start(model=model_of(gather_model()))
        run.faults += 1
        bad = sum(b'"hour":23.0' in run.rows[n] for n in range(count))
        result = run.finish(bound_faults=0)
        result.note = f"{result.dead} dead letters"
        return result.require(result.dead == bad, f"{result.dead} dead letters, {bad} bad records")


@row("14", "model fails on every record, until another one is there")
def broken_engine(setting):
    """A look-up behind the end of its table. Nothing goes to the dead letters meanwhile."""
    with Run(setting, dead=True) as run:
        run.read_beside()
        run.load(min(setting.records, 20_000))
        first, numbers = hour_nodes(
            [helper.make_node("Squeeze", ["hour", "axis"], ["flat"]),
             helper.make_node("Cast", ["flat"], ["index"], to=TensorProto.INT64),
             helper.make_node("Add", ["index", "far"], ["behind"]),
             helper.make_node("Gather", ["table", "behind"], ["probabilities"])],
            tensor("table", numpy.float32, [[0, 0]]), tensor("far", numpy.int64, [1_000]))
        worker = run.start(model=model_of(save_model("behind", first, numbers)))
        run.faults += 1
        worker.wait_not_ready("the engine refuses every record")
        worker.wait_for(lambda: any(e.get("try") == "3" for e in worker.log()), "a third try")
        dead = run.watcher.count(run.dead)
        run.stop(worker)
        run.start()
        result = run.finish(bound_faults=0)
        return result.require(dead == 0 and result.dead == 0, f"{result.dead} dead letters")


@row("14", "model gives NaN for one record in some thirty")
def not_a_number(setting):
    """The root of 22.5 - /hour: JSON has no NaN, the field is null."""
    with Run(setting) as run:
        run.known = False
        count = min(setting.records, 20_000)
        run.load(count)
        nodes, numbers = hour_nodes(
            [helper.make_node("Sub", ["most", "hour"], ["left"]),
             helper.make_node("Sqrt", ["left"], ["probabilities"])],
            tensor("most", numpy.float32, [[22.5, 22.5]]))
        run.start(model=model_of(save_model("root", nodes, numbers)))
        run.faults += 1
        bad = sum(b'"hour":23.0' in run.rows[n] for n in range(count))
        result = run.finish(bound_faults=0)
        nulls = sum(b'"score":null' in message.value()
                    for message in records.scan(run.bootstrap, run.sink))
        result.note = f"{nulls} of {bad} are null"
        return result.require(bad and nulls == bad, result.note)


@row("14", "model gives no row for one record in some thirty")
def wrong_shape(setting):
    """Those of hour 23 are left out: an answer of fewer rows than the batch is a refusal of it."""
    with Run(setting, dead=True) as run:
        run.known = False
        run.read_beside()
        count = min(setting.records, 20_000)
        run.load(count)
        nodes, numbers = hour_nodes(
            [helper.make_node("Less", ["hour", "most"], ["kept"]),
             helper.make_node("Squeeze", ["kept", "axis"], ["flat"]),
             helper.make_node("Concat", ["hour", "hour"], ["two"], axis=1),
             helper.make_node("Compress", ["two", "flat"], ["probabilities"], axis=0)],
            tensor("most", numpy.float32, [[22.5]]))
        run.start(model=model_of(save_model("compress", nodes, numbers)))
        run.faults += 1
        bad = sum(b'"hour":23.0' in run.rows[n] for n in range(count))
        result = run.finish(bound_faults=0)
        result.note = f"{result.dead} dead letters"
        return result.require(result.dead == bad, f"{result.dead} dead letters, {bad} bad records")


# 30: the model file changes

@row("30", "model file replaced by a damaged one under load")
def damaged_model(setting):
    """What runs goes on with its model; a start with the damaged file is refused; with the whole
    one the rest is done."""
    with Run(setting) as run:
        run.read_beside()
        path = scratch() / f"{run.group}.onnx"
        whole = bench_data.model("gbt").read_bytes()
        path.write_bytes(whole)
        model = model_of(path)
        worker = run.start(model=model).wait_ready()
        run.feed(setting.records, setting.rate)
        run.wait_done(0.2)
        damaged = path.with_suffix(".new")
        damaged.write_bytes(whole[:len(whole) // 2])
        damaged.replace(path)
        run.faults += 1
        run.wait_done(0.4)
        run.stop(worker)
        refused = run.start(model=model)
        code = refused.wait_exit(60)
        run.workers.remove(refused)
        path.write_bytes(whole)
        run.start(model=model)
        result = run.finish(bound_faults=0)
        result.require(str(path) in refused.stderr, "the damaged file is not named")
        return result.require(code == 65, f"with a damaged model it ended with {code}")


# 24: odd records

def odd_values(number, row_bytes):
    """Mostly the row; a tombstone, an empty value, a large one now and then."""
    if number % 50 == 7:
        return None
    if number % 50 == 8:
        return b""
    if number % 1_000 == 9:
        return row_bytes[:-1] + b',"note":"' + b"x" * 900_000 + b'"}'
    return row_bytes


@row("24", "five codecs, null keys, doubled headers, tombstones, 1 MB records, aborted input")
def odd_records(setting):
    """Each codec's records come in transactions of which every other is aborted."""
    with Run(setting, dead=True) as run:
        run.read_beside()
        count = min(setting.records, 20_000)
        chunk = max(1, count // 40)
        made = origin.numbered(run.source)
        producers = {codec: Producer(records.QUIET | {
            "bootstrap.servers": run.bootstrap, "compression.type": codec,
            "transactional.id": f"{run.source}-{codec}", "message.max.bytes": 2_000_000})
            for codec in CODECS}
        for producer in producers.values():
            producer.init_transactions(60)
        kept = 0
        for turn, begin in enumerate(range(0, count, chunk)):
            producer = producers[CODECS[turn % len(CODECS)]]
            producer.begin_transaction()
            for number in range(begin, min(begin + chunk, count)):
                record = made(number, run.rows, run.partitions)
                record.value = odd_values(number, record.value)
                record.key = None if number % 3 == 0 else record.key
                record.headers += [("twice", b"1"), ("twice", b"1"), ("null", None)]
                records.put(producer, run.source, record)
            producer.flush(60)
            # Groups of two, so that each codec has both.
            if turn // len(CODECS) % 2:
                producer.abort_transaction(60)
            else:
                producer.commit_transaction(60)
                kept += min(begin + chunk, count) - begin
        # The group gets no further than behind the last record, and the marker that ends a
        # transaction is none.
        records.load(run.bootstrap, run.source, (
            made(number, run.rows, run.partitions)
            for number in range(count, count + run.partitions)))
        kept += run.partitions
        run.faults += 1
        run.count = count
        run.start()
        result = run.finish(bound_faults=0)
        return result.require(result.records == kept, f"{result.records} of {kept} were read")


@row("24", "compacted input with gaps")
def compacted(setting):
    """Keys of which only the last record stays, in a partition that has been cleaned."""
    compact = {"cleanup.policy": "compact", "segment.ms": "100",
               "min.cleanable.dirty.ratio": "0.01", "min.compaction.lag.ms": "0",
               "delete.retention.ms": "0"}
    source = {name.replace(".", "_"): value for name, value in compact.items()}
    with Run(setting, source=source) as run:
        made = origin.numbered(run.source)
        run.count = count = min(setting.records, 20_000)

        def keyed(number):
            record = made(number, run.rows, run.partitions)
            record.key = b"%d" % (number // run.partitions % 100)
            return record

        def left():
            return sum(1 for _ in records.scan(run.bootstrap, run.source))

        records.load(run.bootstrap, run.source, map(keyed, range(count - run.partitions * 10)))
        # The active segment is not cleaned; a later record closes it.
        pause(0.5)
        records.load(run.bootstrap, run.source,
                     map(keyed, range(count - run.partitions * 10, count)))
        wait_until(lambda: left() < count / 2, lambda: f"compaction: {left()} of {count}", 120, 1)
        run.faults += 1
        run.start()
        result = run.finish(bound_faults=0)
        return result.require(result.records < count / 2, "nothing was compacted")


# 26: dead letters cannot be written

def rules(run, kind, name, *operations):
    return [AclBinding(kind, name, ResourcePatternType.LITERAL, "User:worker", "*", operation,
                       AclPermissionType.ALLOW) for operation in operations]


@row("26", "no right to write dead letters")
def letters_refused(setting):
    """Partitions with a dead letter stand; nothing is passed. Given the right, all goes on."""
    with Run(setting, dead=True, cluster_name="faults-secure") as run:
        admin = AdminClient(records.QUIET | {"bootstrap.servers": run.bootstrap})
        letter_rule = rules(run, ResourceType.TOPIC, run.dead, AclOperation.WRITE)
        needed = [*rules(run, ResourceType.TOPIC, run.source, AclOperation.READ),
                  *rules(run, ResourceType.TOPIC, run.sink, AclOperation.WRITE),
                  *rules(run, ResourceType.TOPIC, run.dead, AclOperation.DESCRIBE),
                  *rules(run, ResourceType.GROUP, run.group, AclOperation.READ),
                  *rules(run, ResourceType.TRANSACTIONAL_ID, f"test-{run.group}-one",
                         AclOperation.WRITE), *letter_rule]
        for done in admin.create_acls(needed).values():
            done.result(60)
        properties = {
            "bootstrap.servers": run.cluster.secure_bootstrap, "security.protocol": "sasl_ssl",
            "sasl.mechanisms": "PLAIN" if setting.library == "2.0.2" else "SCRAM-SHA-512",
            "sasl.username": "worker", "sasl.password": "worker-secret",
            "ssl.ca.location": run.cluster.certificate}
        worker = run.start(kafka={"consumer": properties, "producer": properties}).wait_ready()
        half = min(setting.records, 20_000) // 2
        bad = collections.Counter()

        def mixed(count):
            made = origin.numbered(run.source)
            for number in range(run.count, run.count + count):
                record = made(number, run.rows, run.partitions)
                if number % 100 == 0:
                    record.value = b"{"
                    bad[record.partition] += 1
                yield record

        records.load(run.bootstrap, run.source, mixed(half))
        run.count = half
        run.wait_no_lag()
        for done in admin.delete_acls([rule_filter(rule) for rule in letter_rule]).values():
            done.result(60)
        run.faults += 1
        records.load(run.bootstrap, run.source, mixed(half))
        run.count = 2 * half
        worker.wait_not_ready("output", 120)
        pause(SESSION_SECONDS)
        report = run.check("--running")
        stands = run.watcher.lag(run.group, run.source)
        for done in admin.create_acls(letter_rule).values():
            done.result(60)
        result = run.finish(bound_faults=None)
        result.note = f"{result.dead} dead letters, {stands} records stood meanwhile"
        result.require(stands > 0, "nothing stood")
        result.require(not report["faults"], f"meanwhile: {report['faults']} {report['examples']}")
        return result.require(result.dead == sum(bad.values()), f"{result.dead} dead letters")


def rule_filter(rule):
    return AclBindingFilter(rule.restype, rule.name, rule.resource_pattern_type, rule.principal,
                            rule.host, rule.operation, rule.permission_type)
