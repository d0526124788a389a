"""The VGG16-like network of ivan2019 (Section 1), at any width and side."""

from torch import nn

from helpers.models.layers import Conv3x3, head

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # VGG16: channels, convolutions


def vgg(shape, classes, width=1.0):
    """Return VGG16's 13 convolutions with batch normalisation, and a 512-512 head.

    shape: (C, H, W) of one image. width: multiplier on the channels; 1 is VGG16's. A block ends
    in a 2x2 max-pool while the map is larger than 1 px: five pools at 32 px, four at 28 px.
    """
    channels, side, _ = shape
    layers = []
    for base, convolutions in BLOCKS:
        outputs = max(1, round(base * width))
        for k in range(convolutions):
            layers += [Conv3x3(channels, outputs), nn.BatchNorm2d(outputs)]
            if k == convolutions - 1 and side > 1:
                # ReLU is monotone, so pooling first gives the same output from a quarter of it
                layers.append(nn.MaxPool2d(2))
                side //= 2
            layers.append(nn.ReLU())
            channels = outputs
    return nn.Sequential(*layers, nn.Flatten(), *head(channels * side * side, classes))
