"""Encrypted queries with Concrete-ML: the shapes of our benchmark, on the data sets of its own tutorials.

Prints one JSON list: model, seconds a query (each; wall and processor time of the whole process), bytes of the evaluation key,
the request and the answer, share of rows right in the clear and under encryption.
"""

import json
import sys
import time

from concrete.ml.sklearn import LogisticRegression, NeuralNetClassifier
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler
from torch import nn


def network(features, hidden, bits):
    """One hidden layer, weights and activations of `bits` bits; hidden units as a multiple of the features."""
    return NeuralNetClassifier(
        module__n_layers=2,
        module__n_w_bits=bits,
        module__n_a_bits=bits,
        module__n_hidden_neurons_multiplier=hidden / features,
        module__activation_function=nn.ReLU,
        max_epochs=30,
        verbose=0,
    )


def measure(name, model, data, queries):
    features, labels = data(return_X_y=True)
    features = MinMaxScaler().fit_transform(features).astype("float32")
    train_x, test_x, train_y, test_y = train_test_split(features, labels, test_size=0.2, random_state=1)
    model.fit(train_x, train_y)
    circuit = model.compile(train_x)
    circuit.client.keygen()
    key = len(circuit.client.evaluation_keys.serialize())

    def ask(row):
        """From features to a class; bytes of the request and the answer."""
        request = circuit.encrypt(model.quantize_input(row))
        answer = circuit.run(request)
        scores = model.post_processing(model.dequantize_output(circuit.decrypt(answer)))
        return int(model.classes_[scores.argmax(axis=1)[0]]), len(request.serialize()), len(answer.serialize())

    ask(test_x[:1])
    seconds, processor, right = [], [], 0
    for row, label in zip(test_x[:queries], test_y):
        began, spent = time.perf_counter(), time.process_time()
        found, request, answer = ask(row[None])
        seconds.append(time.perf_counter() - began)
        processor.append(time.process_time() - spent)
        right += int(found == label)
    return {
        "model": name,
        "seconds": seconds,
        "processor": processor,
        "key_bytes": key,
        "request_bytes": request,
        "answer_bytes": answer,
        "clear": float((model.predict(test_x) == test_y).mean()),
        "encrypted": right / len(seconds),
    }


def main():
    queries = int(sys.argv[1])
    print(
        json.dumps(
            [
                measure("64-10", LogisticRegression(n_bits=8), load_digits, queries),
                measure("30-16-2", network(30, 16, 4), load_breast_cancer, queries),
                measure("64-32-10", network(64, 32, 4), load_digits, queries),
            ]
        )
    )


if __name__ == "__main__":
    main()
