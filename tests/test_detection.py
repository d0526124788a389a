"""Detection: VOC's measure on planted boxes, its annotations, masks of any size, and training."""

from dataclasses import replace

import numpy as np
import photo_folders
import pytest
import torch
from conftest import one_line

from helpers import __main__ as commands
from helpers import detection, folder, models, paths, training, voc
from helpers.detection import Detector
from helpers.errors import InputError
from helpers.experiments import juefei2018_folders as folders
from helpers.models.perturbative import fitted
from helpers.runs import Run

DOG, CAT = voc.CLASSES.index("dog"), voc.CLASSES.index("cat")
BACKBONE = Run(
    "imagenet", "pnn", model_args={"depth": 18, "width": 4}, optimiser="momentum", lr=0.02,
    epochs=1, batch=8, crop=64, precision="float32", observers=(), augment="crop_flip",
)  # fmt: skip
TINY = Detector(BACKBONE, pretrained=False, scale=80, lr=5e-3, epochs=2)
NARROW = {"width": 1 / 16, "hidden": 32}  # of VGG16


@pytest.fixture(autouse=True)
def pictures(folders, monkeypatch):
    """Give every test the same few pictures."""
    torch.set_num_threads(1)
    monkeypatch.setattr(folder, "LOADERS", 0)
    return photo_folders.voc(paths.data())


def scene(*objects):
    """Return a scene of (label, difficult, box)."""
    labels, difficult, boxes = zip(*objects, strict=True)
    return voc.Scene("", np.array(boxes, np.float32), np.array(labels), np.array(difficult, bool))


def found(*detections):
    """Return what a detector found: (label, score, box)."""
    labels, scores, boxes = zip(*detections, strict=True) if detections else ((), (), ())
    return np.array(scores), np.array(boxes, np.float32).reshape(-1, 4), np.array(labels)


# The measure.


@pytest.mark.parametrize(
    ("hits", "total", "expected"),
    (
        ([], 3, 0),
        ([False, False], 3, 0),
        ([True, True, True], 3, 1),
        ([True], 4, 3 / 11),  # recall 0.25 reaches 0, 0.1 and 0.2
        ([True] * 3, 10, 4 / 11),  # a recall of just 0.3 counts
        ([False, True], 1, 1 / 2),
        ([True, False, True], 2, (6 * 1 + 5 * 2 / 3) / 11),
        ([False, True, True, False], 2, 2 / 3),  # a later, higher precision counts before it
        ([True, False, False, True], 4, (3 * 1 + 3 * 1 / 2) / 11),
    ),
)
def test_average_precision_of_cases_done_by_hand(hits, total, expected):
    assert voc.average_precision(hits, total) == pytest.approx(expected)


BOX, OTHER = (10, 10, 30, 30), (50, 10, 70, 30)


@pytest.mark.parametrize(
    ("detections", "expected"),
    (
        ([(0.9, BOX)], [True]),
        ([(0.3, BOX), (0.9, BOX)], [True, False]),  # found twice
        ([(0.9, OTHER)], [False]),
        ([(0.9, (10, 10, 30, 20))], [True]),  # half of it
        ([(0.9, (10, 10, 30, 19))], [False]),  # less than half
        ([(0.9, (100, 10, 120, 30)), (0.8, (100, 10, 120, 30))], []),  # the difficult one
    ),
)
def test_detections_are_judged_one_by_one(detections, expected):
    scores, boxes = (np.array(part, np.float32) for part in zip(*detections, strict=True))
    objects = np.array([BOX, (100, 10, 120, 30)], np.float32)
    judged = voc.judge(scores, boxes, objects, np.array([False, True]))
    assert [hit for _, hit in judged] == expected
    assert judged == sorted(judged, reverse=True)


def test_planted_boxes_have_the_average_precision_they_should():
    scenes = [scene((DOG, False, BOX), (DOG, True, OTHER), (CAT, False, OTHER)),
              scene((DOG, False, BOX))]  # fmt: skip
    perfect = [found((DOG, 0.9, BOX), (CAT, 0.8, OTHER)), found((DOG, 0.7, BOX))]
    ap = voc.average_precisions(perfect, scenes)
    assert (ap[DOG], ap[CAT]) == (1, 1) and voc.mean(ap) == 1
    assert ap.count(None) == 18  # classes without objects do not count
    # the dog of the second scene is missed; in its place, surer than all, a dog where a cat is
    worse = [found((DOG, 0.9, BOX), (CAT, 0.8, OTHER)), found((DOG, 0.95, OTHER))]
    ap = voc.average_precisions(worse, scenes)
    assert ap[DOG] == pytest.approx(6 / 11 / 2) and ap[CAT] == 1
    assert voc.mean(ap) == pytest.approx((6 / 22 + 1) / 2)
    nothing = voc.average_precisions([found(), found()], scenes)
    assert (nothing[DOG], nothing[CAT], voc.mean(nothing)) == (0, 0, 0)
    assert voc.mean([None] * 20) == 0


# Pictures and their objects.


def test_the_scenes_are_those_of_the_files(pictures):
    photo_folders.annotate(pictures, "000000", ("cat", 1, 1, 2, 30, 40), ("dog", 0, 5, 5, 5, 5))
    trainval, test, fingerprint = voc.splits()
    assert (len(trainval), len(test), len(fingerprint)) == (6, 3, 64)
    first = trainval[0]
    assert first.path == str(pictures / "JPEGImages" / "000000.jpg")
    # VOC counts pixels from 1 and includes the last one
    assert first.boxes.tolist() == [[0, 1, 30, 40], [4, 4, 5, 5]]
    assert first.labels.tolist() == [CAT, DOG] and first.difficult.tolist() == [True, False]


def test_a_picture_without_objects_has_no_boxes(pictures):
    photo_folders.annotate(pictures, "000001")
    assert voc.splits()[0][1].boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("damage", "parts"),
    (
        (lambda root: root.rename(root.with_name("gone")), ("VOC2007", "DATA_DIR")),
        (lambda root: (root / "ImageSets" / "Main" / "test.txt").unlink(), ("test", "DATA_DIR")),
        (lambda root: (root / "ImageSets" / "Main" / "test.txt").write_text(""), ("no images",)),
        (lambda root: (root / "JPEGImages" / "000002.jpg").unlink(), ("000002.jpg", "missing")),
        (lambda root: (root / "Annotations" / "000002.xml").unlink(), ("000002.xml", "missing")),
        (lambda root: (root / "Annotations" / "000002.xml").write_text("<annotation>"),
         ("000002.xml", "damaged")),
        (lambda root: photo_folders.annotate(root, "000002", ("unicorn", 0, 1, 1, 9, 9)),
         ("000002.xml", "unicorn")),
        (lambda root: photo_folders.annotate(root, "000002", ("dog", 0, 9, 1, 8, 9)),
         ("000002.xml", "box 9 1 8 9")),
    ),
)  # fmt: skip
def test_pictures_that_cannot_be_used_are_one_line(pictures, damage, parts):
    damage(pictures)
    with pytest.raises(InputError) as error:
        voc.splits()
    one_line(error, *parts)


def test_a_picture_that_cannot_be_read_is_one_line(pictures):
    (pictures / "JPEGImages" / "000003.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError) as error:
        detection.train(TINY, *voc.splits())
    one_line(error, "000003.jpg", "cannot be read")


def test_boxes_are_flipped_with_their_picture():
    trainval, _, _ = voc.splits()
    x, target = detection._example(trainval[0], flip=False)
    mirrored, other = detection._example(trainval[0], flip=True)
    left, top, right, bottom = target["boxes"][0].int().tolist()
    dog = x[:, top:bottom, left:right]
    left, top, right, bottom = other["boxes"][0].int().tolist()
    assert torch.equal(mirrored[:, top:bottom, left:right], dog.flip(2))
    assert target["labels"].tolist() == [DOG + 1]  # 0 is the background


# Masks on maps of another size.


def test_tiled_masks_repeat_and_keep_the_noise():
    masks = torch.rand(2, 3, 4, 4)
    tiled = fitted(masks, (6, 9), "tile")
    assert tiled.shape == (2, 3, 6, 9)
    for y, x in ((0, 0), (5, 8), (4, 3), (1, 7)):
        assert torch.equal(tiled[..., y, x], masks[..., y % 4, x % 4])
    assert fitted(masks, (4, 4), "tile") is masks
    assert fitted(masks, (3, 2), "tile").equal(masks[..., :3, :2])


def test_stretched_masks_are_weaker():
    masks = torch.rand(1, 8, 16, 16) - 0.5
    stretched = fitted(masks, (64, 48), "interpolate")
    assert stretched.shape == (1, 8, 64, 48)
    assert stretched.std() < 0.8 * masks.std()
    assert fitted(masks, (64, 48), "tile").std() == pytest.approx(masks.std().item(), rel=1e-3)


@pytest.mark.parametrize("fit", ("tile", "interpolate"))
def test_a_network_takes_every_size_and_stays_the_same_on_its_own(fit):
    exact, other = (
        models.build("pnn", (3, 64, 64), 3, 0, width=4, **fields).eval()
        for fields in ({}, {"fit": fit})
    )
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(exact(x), other(x))
    wide = torch.randn(1, 3, 96, 160)
    assert other(wide).shape == (1, 3)
    with pytest.raises(RuntimeError):
        exact(wide)


# The detector.


def test_boxes_reach_the_fourth_stage_at_the_size_it_was_trained_on():
    model = detection.network(TINY)
    assert model.backbone.out_channels == 16  # four times the width
    assert model.roi_heads.box_roi_pool.output_size == (4, 4)  # 64 px / 16
    masks = model.roi_heads.box_head[0][0].branch[0][0].masks
    assert masks.shape[-2:] == (4, 4)
    assert model.transform.min_size == (80,) and model.transform.max_size == 133


def test_it_starts_from_the_network_that_was_trained_on_photographs(pictures):
    photo_folders.imagenet(paths.data())
    with pytest.raises(InputError) as error:
        detection.network(replace(TINY, pretrained=True))
    one_line(error, "imagenet pnn", "train it first")
    view, _ = folder.train(BACKBONE, *folder.splits("imagenet")[:2])
    model, scratch = detection.network(replace(TINY, pretrained=True)), detection.network(TINY)
    for ours, theirs in ((model.backbone[0], view.model.stem),
                         (model.roi_heads.box_head[0], view.model.layers[3])):  # fmt: skip
        pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    learnt = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert learnt and not any(name.startswith(("backbone.0.", "backbone.1.")) for name in learnt)
    assert models.parameters(scratch) > models.parameters(model)


def on_vgg(name, **fields):
    return replace(TINY, backbone=replace(BACKBONE, model=name, model_args=NARROW), **fields)


@pytest.mark.parametrize("name", ("vgg", "pnn_vgg"))
def test_a_detector_on_vgg_goes_on_from_its_network_and_its_record_is_found(
    name, pictures, monkeypatch
):
    photo_folders.imagenet(paths.data())
    detector = on_vgg(name, pretrained=True, epochs=1)
    view, _ = folder.train(detector.backbone, *folder.splits("imagenet")[:2])
    layers, model = list(view.model.children()), detection.network(detector)
    last = max(k for k, layer in enumerate(layers) if isinstance(layer, torch.nn.MaxPool2d))
    theirs = [*layers[:last], *layers[last + 2 : -1]]  # a ReLU follows the pool
    ours = torch.nn.Sequential(model.backbone, model.roi_heads.box_head).state_dict().values()
    given = torch.nn.Sequential(*theirs).state_dict().values()
    assert all(torch.equal(a, b) for a, b in zip(ours, given, strict=True))
    assert model.backbone.eval()(torch.zeros(1, 3, 80, 96)).shape[2:] == (5, 6)  # stride 16
    learnt = [name for name, w in model.backbone.named_parameters() if w.requires_grad]
    assert min(int(name.split(".")[0]) for name in learnt) == 14  # two blocks of 7 layers
    record = detection.execute(detector, paths.RESULTS / "paper")
    assert np.isfinite(record["epochs"][0]["loss"]) and 0 <= record["epochs"][0]["map"] <= 1
    pictures.rename(pictures.with_name("gone"))  # what is published is found without them
    voc._splits.cache_clear()
    assert detection.find(detector)["epochs"] == record["epochs"]
    monkeypatch.setattr(folders, "detectors", lambda preset: {"paper": [TINY, detector]}[preset])
    lacks, found = folders.published_detectors()
    assert lacks is None and found["detector"]["backbone"]["model"] == name


@pytest.mark.parametrize("name", ("vgg", "pnn_vgg"))
def test_a_detector_on_vgg_learns(name):
    trainval, test, fingerprint = voc.splits()
    model, epochs = detection.train(on_vgg(name), trainval, test, fingerprint)
    assert epochs[1]["loss"] < epochs[0]["loss"]
    fresh = detection.network(on_vgg(name)).state_dict()
    kept = {k for k, w in model.state_dict().items() if torch.equal(w, fresh[k])}
    changed = {k for k, _ in model.named_parameters()} - kept
    masks = {k for k in fresh if k.endswith("masks")}
    assert len(masks) == (12 if "pnn" in name else 0) and masks <= kept
    for part in ("backbone.0.", "rpn.", "roi_heads.box_head.", "roi_heads.box_predictor."):
        assert any(k.startswith(part) for k in changed)


@pytest.mark.parametrize("place", (0, 1))
def test_the_head_of_boxes_on_vgg_at_the_scale_of_the_paper(place):
    with torch.device("meta"):
        found = detection.network(replace(TINY, backbone=folders.table7("paper")[place]))
    assert found.backbone.out_channels == 512
    assert found.roi_heads.box_roi_pool.output_size == (7, 7)
    dense = [layer for layer in found.roi_heads.modules() if isinstance(layer, torch.nn.Linear)]
    shapes = [(layer.in_features, layer.out_features) for layer in dense]
    assert shapes == [(7 * 7 * 512, 4096), (4096, 4096), (4096, 21), (4096, 84)]


def test_it_learns_and_a_killed_training_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    trainval, test, fingerprint = voc.splits()
    whole, epochs = detection.train(TINY, trainval, test, fingerprint)
    assert epochs[1]["loss"] < epochs[0]["loss"]
    assert all(row["ap"].count(None) == 19 and row["map"] == row["ap"][DOG] for row in epochs)
    monkeypatch.setenv("BUILD_DIR", str(tmp_path / "other"))
    detect, calls = detection.detect, []

    def kill(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return detect(*arguments)

    monkeypatch.setattr(detection, "detect", kill)
    with pytest.raises(KeyboardInterrupt):
        detection.train(TINY, trainval, test, fingerprint)
    resumed, again = detection.train(TINY, trainval, test, fingerprint)
    assert len(calls) == 3  # the first epoch was not trained again
    assert [row["loss"] for row in again] == [row["loss"] for row in epochs]
    pairs = zip(whole.state_dict().items(), resumed.state_dict().items(), strict=True)
    for (name, weight), (_, other) in pairs:
        assert torch.equal(weight, other), name


def test_it_finds_objects_in_pictures_it_has_not_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "more"))
    photo_folders.voc(paths.data(), train=16, test=8)
    usual = replace(BACKBONE, model="resnet", model_args={"depth": 18, "width": 8})
    drops = {"after": [8], "factor": 0.2}
    detector = replace(TINY, backbone=usual, lr=0.01, epochs=10, drops=drops)
    _, epochs = detection.train(detector, *voc.splits())
    assert epochs[0]["map"] < 0.1 and epochs[-1]["map"] > 0.3


def test_batch_norm_keeps_what_it_was_given():
    trainval, test, fingerprint = voc.splits()
    model, _ = detection.train(replace(TINY, epochs=1), trainval[:2], test[:1], fingerprint)
    for before, after in zip(detection._norms(detection.network(TINY)), detection._norms(model),
                             strict=True):  # fmt: skip
        pairs = zip(before.state_dict().values(), after.state_dict().values(), strict=True)
        assert all(torch.equal(a, b.cpu()) for a, b in pairs)


@pytest.mark.parametrize(
    ("fields", "part"),
    (
        ({"fit": "stretch"}, "fit: 'stretch'"),
        ({"scale": 16}, "scale: 16"),
        ({"backbone": replace(BACKBONE, model="mlp", model_args={})}, "backbone.model: 'mlp'"),
        ({"backbone": replace(BACKBONE, model="vgg", model_args=NARROW, crop=31)},
         "backbone.crop: 31"),
        ({"backbone": Run("mnist", "pnn")}, "backbone.data: 'mnist'"),
    ),
)  # fmt: skip
def test_a_detector_that_cannot_be_is_one_line(fields, part):
    with pytest.raises(InputError) as error:
        replace(TINY, **fields)
    one_line(error, part)


def test_table_7_at_the_scale_of_the_paper():
    wanted = folders.detectors("paper")
    shape = [(d.backbone.model, *d.backbone.model_args.values()) for d in wanted]
    assert shape == [("pnn_vgg", 1, 4096), ("vgg", 1, 4096),
                     ("pnn", 50, 256), ("resnet", 50, 64), ("resnet", 101, 64)]  # fmt: skip
    assert {(d.scale, d.pretrained) for d in wanted} == {(600, True)}
    more = [(d.epochs, d.weight_decay, d.backbone.lr) for d in wanted]
    assert more == [(6, 5e-4, 0.01)] * 2 + [(7, 1e-4, 0.1)] * 3
    rates = [training.rate_of(wanted[-1], epoch) for epoch in range(1, 8)]
    assert rates == pytest.approx([1e-3] * 5 + [1e-4] * 2)
    assert [run.key() for run in folders.table7("paper")[2:4]] == [
        run.key() for run in folders.table2("paper")[2:]
    ]  # already trained for Table 2
    assert folders.detectors("paper", epochs=2, scale=99)[0] == replace(
        wanted[0], epochs=2, scale=99
    )


def test_the_command_trains_once_and_says_the_mean(monkeypatch, capsys):
    asked = []

    def detectors(preset, **fields):
        asked.append((preset, fields))
        return [replace(TINY, epochs=1)]

    monkeypatch.setattr(folders, "detectors", detectors)
    assert commands.main(["detect", "--preset", "smoke", "--scratch"]) == 0
    said = capsys.readouterr().out
    assert "imagenet pnn" in said and "mAP" in said and len(said.splitlines()) == 1
    assert asked == [("smoke", {"fit": "tile", "pretrained": False})]
    record = detection.find(replace(TINY, epochs=1))
    assert record["data"]["train"] == 6 and len(record["epochs"]) == 1
    monkeypatch.setattr(detection, "execute", None)  # it has its record
    assert commands.main(["detect", "--preset", "smoke", "--scratch"]) == 0
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("arguments", "part"),
    (
        (["--fit", "stretch"], "fit: 'stretch'"),
        (["--preset", "huge"], "preset: 'huge'"),
        ([], "imagenet"),
    ),
)
def test_the_commands_errors_are_one_line(capsys, arguments, part):
    assert commands.main(["detect", *arguments]) == 2
    one_line(capsys.readouterr().err, part)
