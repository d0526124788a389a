"""Object detection (juefei2018, Table 7): Faster R-CNN on residual networks, VGG16, and with noise.

In a residual network, the stem and the first three stages compute the features that region
proposals and boxes share; the fourth stage is the head of each box, as in He et al. 2016. VGG16
shares all convolutions and uses its dense layers as the head, as in Ren et al. 2015. RoI align
gives the head maps of exactly the size that it had on ImageNet (14 px or 7), so that only the
shared features need masks of another size (`fit`).
"""

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field

import torch
from torch import nn
from torchvision.datasets.folder import pil_loader
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign
from torchvision.transforms.functional import to_tensor
from tqdm import tqdm

from helpers import checkpoint, folder, machine, models, paths, records, runs, training, voc
from helpers.errors import InputError, cause, one_of, whole
from helpers.models.perturbative import FITS
from helpers.models.vgg import divided

ANCHORS, RATIOS = (128, 256, 512), (0.5, 1.0, 2.0)  # px at scale 600 (Ren et al. 2015)
LONGEST = 1000 / 600  # largest ratio of an image's longer side to the scale
PROPOSALS, BOXES = 300, 128  # regions per image: at test, and to train the head
DEVIATION = 0.01  # of the initial weights of the layers that score and place boxes
LEAST = 32  # px: VGG16 halves a smaller crop fewer than five times


@dataclass(frozen=True)
class Detector:
    """Configuration of one training of a detector.

    backbone: `Run` on a folder of photographs whose network it starts from. pretrained: whether it
    starts from that network's trained weights, or else from its initial ones. fit: see
    `perturbative.fitted`. scale: shorter side of an image in px. seed: of the new layers and of the
    training. lr: learning rate. weight_decay: factor of the L2 penalty. epochs: passes
    over the training scenes. drops: as in `runs.Run`. Each step uses one image.

    The paper gives scale, batch and RoI align; the rest is from the public code whose figures it
    compares with (jwyang/faster-rcnn.pytorch: the rate is divided by 10 after 5 epochs, of 7 for
    residual networks and 6 for VGG16). Raises `InputError` for a field with a bad value.
    """

    backbone: runs.Run
    pretrained: bool = True
    fit: str = "tile"
    scale: int = 600
    seed: int = 0
    lr: float = 1e-3
    weight_decay: float = 1e-4
    epochs: int = 7
    drops: dict = field(default_factory=lambda: {"after": [5], "factor": 0.1})

    def __post_init__(self):
        one_of("backbone.data", self.backbone.data, folder.NAMES)
        one_of("backbone.model", self.backbone.model, PARTS)
        if PARTS[self.backbone.model] is _stacked:
            whole("backbone.crop", self.backbone.crop, LEAST)
        one_of("fit", self.fit, FITS)
        for name, least in (("scale", 32), ("seed", 0), ("epochs", 0)):
            whole(name, getattr(self, name), least)

    def key(self):
        """Return 16 hex digits that identify this detector and the version of the training code."""
        spec = {**asdict(self), "backbone": self.backbone.spec()}
        text = json.dumps([runs.TRAINING_VERSION, spec], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def title(self):
        """Return a short name for messages."""
        return f"detector, {self.backbone.title()}"


def find(detector):
    """Return the record of `detector`, published or made from the data on this machine, or None."""
    return runs.find_published(detector) or records.read(_record(detector))


def execute(detector, place=None):
    """Train `detector`, write its record and return it as a dict.

    place: folder (`Path`) for the record, by default that of local records.
    """
    started = time.time()
    trainval, test, fingerprint = voc.splits()
    _, epochs = train(detector, trainval, test, fingerprint)
    record = {
        "detector": {**asdict(detector), "backbone": detector.backbone.spec()},
        "data": {"name": "voc2007", "fingerprint": fingerprint, "train": len(trainval),
                 "test": len(test)},
        "epochs": epochs,
        "provenance": {**runs.provenance(), "precision": "float32", "started": round(started),
                       "seconds": round(time.time() - started, 1)},
    }  # fmt: skip
    path = _record(detector)
    records.write(path if place is None else place / path.name, record)
    return record


def train(detector, trainval, test, fingerprint):
    """Train a detector on scenes and evaluate it after every epoch; return (model, epochs).

    detector: a `Detector`. trainval, test: scenes from `voc.splits`. fingerprint: of the data, for
    the checkpoint's name. Training leaves out difficult objects and flips half of the images.
    epochs: dicts (epoch, loss, map, ap: list over `voc.CLASSES`, None where a class has no objects,
    seconds). A killed training resumes, see `checkpoint.epochs`. Raises `InputError` and
    `DivergedError`.
    """
    where = machine.device()
    model = network(detector).to(where)
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = training.OPTIMISERS["momentum"](
        learnt, lr=detector.lr, weight_decay=detector.weight_decay
    )
    torch.manual_seed(detector.seed)

    def train_epoch(epoch):
        started = time.perf_counter()
        optimiser.param_groups[0]["lr"] = training.rate_of(detector, epoch)
        loss = _learn(model, optimiser, trainval, where)
        training.finite(loss, epoch, detector)
        seconds = time.perf_counter() - started
        ap = voc.average_precisions(detect(model, test, where), test)
        row = {"loss": loss, "map": voc.mean(ap), "seconds": seconds}
        ap = [value if value is None else round(value, 6) for value in ap]
        return {"epoch": epoch, **{name: round(v, 6) for name, v in row.items()}, "ap": ap}

    file = checkpoint.path(detector.key(), fingerprint)
    parts = {"model": model, "optimiser": optimiser}
    return model, checkpoint.epochs(file, detector.epochs, parts, train_epoch, detector.title())


def network(detector):
    """Return the Faster R-CNN of `detector`, with weights drawn with its seed, or pretrained.

    Batch norm keeps its ImageNet statistics and weights, because one image is too few to estimate
    them; the first layers of a pretrained network are frozen too. Raises `InputError` if the
    network that it should start from was not trained.
    """
    base, shape = _backbone(detector), (1, 3, detector.backbone.crop, detector.backbone.crop)
    first, rest, head, pool = PARTS[detector.backbone.model](base)
    features = nn.Sequential(*first, *rest)
    with torch.no_grad():
        _, features.out_channels, side, _ = features.eval()(torch.zeros(shape)).shape
    *_, classifier = base.modules()
    sizes = tuple(anchor * detector.scale // 600 for anchor in ANCHORS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(detector.seed)
        predictor = FastRCNNPredictor(classifier.in_features, 1 + len(voc.CLASSES))
        for layer in predictor.children():
            nn.init.normal_(layer.weight, std=DEVIATION)
            nn.init.zeros_(layer.bias)
        model = FasterRCNN(
            features, min_size=detector.scale, max_size=round(detector.scale * LONGEST),
            image_mean=folder.MEAN, image_std=folder.DEVIATION,
            rpn_anchor_generator=AnchorGenerator((sizes,), (RATIOS,)),
            rpn_post_nms_top_n_test=PROPOSALS, box_batch_size_per_image=BOXES,
            box_roi_pool=MultiScaleRoIAlign(["0"], side // pool, 2), box_head=head,
            box_predictor=predictor,
        )  # fmt: skip
    for part in (*(first if detector.pretrained else ()), *_norms(model)):
        part.requires_grad_(False)
    return model


@torch.no_grad()
def detect(model, scenes, where):
    """Return (scores (D,), boxes (D, 4) in px, labels (D,) from 0) for each scene, as arrays.

    model: from `network`. scenes: of `voc.Scene`. where: the model's device.
    """
    model.eval()
    found = []
    for scene in tqdm(scenes, leave=False, disable=None):
        out = model([_picture(scene).to(where)])[0]
        out["labels"] = out["labels"] - 1  # 0 is the background
        found.append(tuple(out[name].cpu().numpy() for name in ("scores", "boxes", "labels")))
    return found


def _backbone(detector):
    run = detector.backbone
    fit = {"fit": detector.fit} if run.model.startswith("pnn") else {}
    model = models.build(run.model, (3, run.crop, run.crop), 1, run.seed, **run.model_args, **fit)
    if detector.pretrained:
        file, weights = folder.trained(run)
        *kept, _, _ = weights.items()  # without the last layer, that of the photographs
        checkpoint.load(model, model.state_dict() | dict(kept), file)
    return model


def _residual(base):
    """Return (layers that keep their pretrained weights, those after them, head of boxes, pool).

    pool: how many times smaller the map that the head was trained on is than that of the layers.
    """
    head = nn.Sequential(base.layers[3], *base.head[:2])  # averages, (N, channels)
    return (base.stem, base.layers[0]), base.layers[1:3], head, 1


def _stacked(base):
    return *divided(base), 2


PARTS = {"resnet": _residual, "pnn": _residual, "vgg": _stacked, "pnn_vgg": _stacked}


def _learn(model, optimiser, scenes, where):
    """Train one epoch, one image per step; return the mean loss."""
    model.train()
    for norm in _norms(model):
        norm.eval()
    total = torch.zeros((), device=where)
    for row in tqdm(torch.randperm(len(scenes)).tolist(), leave=False, disable=None):
        x, target = _example(scenes[row], flip=bool(torch.rand(()) < 0.5))
        target = {name: value.to(where) for name, value in target.items()}
        loss = sum(model([x.to(where)], [target]).values())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total += loss.detach()
    return total.item() / len(scenes)


def _example(scene, flip):
    """Return an image float32 (3, H, W) and its boxes and labels, which count from 1."""
    x, boxes = _picture(scene), torch.from_numpy(scene.boxes[~scene.difficult])
    if flip:
        x, width = x.flip(2), x.shape[2]
        boxes = torch.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
    return x, {"boxes": boxes, "labels": 1 + torch.from_numpy(scene.labels[~scene.difficult])}


def _picture(scene):
    try:
        return to_tensor(pil_loader(scene.path))
    except Exception as error:  # a decoder can raise almost anything
        why = f"it cannot be read ({cause(error)})"
        raise InputError("photograph", scene.path, why) from None


def _norms(model):
    return [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]


def _record(detector):
    name = f"{detector.key()}-{voc.splits()[2][:8]}.json"
    return paths.build() / "records" / name
